"""The stack itself: what the other tests rely on."""

import pytest

from stack_clients import wait_until


@pytest.fixture(scope="module", name="topic")
def topic_fixture(site):
    site.topic.create(partitions=3)
    return site.topic


def test_kafka_keeps_messages_over_stop_and_start(stack, topic):
    topic.produce("bitcoin", {"price": 1})
    stack.kafka.restart()
    assert ("bitcoin", '{"price": 1}') in topic.read(1)


def test_kafka_keeps_acknowledged_messages_over_a_crash(stack, topic):
    topic.produce("ethereum", {"price": 2})
    stack.kafka.kill()
    stack.kafka.start()
    assert ("ethereum", '{"price": 2}') in topic.read(2)


def test_postgres_keeps_rows_over_a_crash(stack, site):
    site.db.rows("create table kept (n int)")
    site.db.rows("insert into kept values (1)")
    stack.postgres.kill()
    stack.postgres.start()
    assert site.db.value("select n from kept") == 1


def test_schema_setup_can_be_repeated(site):
    before = site.db.value("select count(*) from schema_migrations")
    assert before > 0
    site.set_up()
    assert site.db.value("select count(*) from schema_migrations") == before


def test_stopped_service_is_away_and_comes_back_empty_handed(stack, site):
    site.redis.set("price", "1")
    stack.redis.stop()
    assert not stack.redis.running
    with pytest.raises(Exception):
        site.redis.get("price")
    stack.redis.start()
    assert wait_until(lambda: site.redis.ping())
    assert site.redis.get("price") is None  # it is a cache
