"""The stack itself: what the other tests rely on."""

import os
import subprocess
import threading

import psycopg2
import pytest

from api_client import add_coin, add_price
from stack import SOURCE
from stack_clients import Database, wait_until


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


def partitions(site):
    return {row[0] for row in site.db.rows("select relname from pg_class where relname ~ '^prices_2020_..$'")}


def test_old_months_are_deleted_if_asked(site):
    """Also what an interrupted run has left: a partition half detached, and one not yet dropped."""
    add_coin(site.db, "bitcoin")
    add_price(site.db, "bitcoin", "7", wait_until(lambda: site.db.value("select now()::text")))
    for month in range(1, 4):
        site.db.rows(f"select ensure_prices_partition('2020-0{month}-15')")
    site.db.rows("alter table prices detach partition prices_2020_01")
    with site.db.locked("prices", "access share"), pytest.raises(psycopg2.OperationalError):
        Database(options="-c statement_timeout=500", **site.connection).rows(
            "alter table prices detach partition prices_2020_02 concurrently")
    assert site.db.value("select count(*) from pg_inherits where inhdetachpending") == 1
    done = site.setup("--maintain")
    assert done.returncode == 0 and len(partitions(site)) == 3, done.stdout  # nobody has asked
    done = site.setup("--maintain", CRYPTO_PULSE_KEEP_MONTHS=12)
    assert done.returncode == 0, done.stdout
    assert partitions(site) == set()
    for month in range(1, 4):
        assert f"prices_2020_0{month} deleted, it is older than 12 months" in done.stdout
    assert site.db.value("select price from prices") == 7


def test_setup_waits_for_a_free_connection(site):
    """A server that is ready may have no slot left; that passes. (A superuser needs none.)"""
    site.db.rows("create role plain login password 'plain'")
    site.db.rows("create database plain owner plain connection limit 0")
    plain = {"POSTGRES_USER": "plain", "POSTGRES_PASSWORD": "plain", "POSTGRES_DB": "plain"}
    release = threading.Timer(3, lambda: site.db.rows("alter database plain connection limit -1"))
    try:
        done = site.setup(**plain)
        assert done.returncode == 1 and "too many connections for database" in done.stdout
        release.start()
        done = site.setup("--wait", "30", **plain)
        assert done.returncode == 0 and "database plain is up to date" in done.stdout
        done = site.setup("--wait", "30", **{**plain, "POSTGRES_PASSWORD": "wrong"})
        assert done.returncode == 78 and "password authentication failed" in done.stdout
    finally:
        release.join(10)
        site.db.rows("drop database plain")
        site.db.rows("drop role plain")


def test_stopped_service_is_away_and_comes_back_empty_handed(stack, site):
    site.redis.set("price", "1")
    stack.redis.stop()
    assert not stack.redis.running
    with pytest.raises(Exception):
        site.redis.get("price")
    stack.redis.start()
    assert wait_until(lambda: site.redis.ping())
    assert site.redis.get("price") is None  # it is a cache


@pytest.mark.parametrize("folder, port, answer", [
    ("a b", "1", "no space, quote, "),
    ("stack", "0", "FRONTEND_PORT=0 is no port: 1 to 65535"),
    ("stack", "65536", "FRONTEND_PORT=65536 is no port: 1 to 65535"),
    ("stack", "080x", "FRONTEND_PORT=080x is no port: 1 to 65535"),
])
def test_bootstrap_refuses(tmp_path, folder, port, answer):
    done = subprocess.run([SOURCE / "bootstrap", "run"], cwd=tmp_path, text=True, check=False, capture_output=True,
                          env={**os.environ, "STACK_DIR": folder, "FRONTEND_PORT": port})
    assert done.returncode == 1 and answer in done.stderr
    assert done.stderr.count("\n") == 1
