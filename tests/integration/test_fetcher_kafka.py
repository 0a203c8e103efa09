"""The fetcher when Kafka goes away: whatever was fetched arrives, in order, once."""

import re
import subprocess

import confluent_kafka.admin
import pytest

from market_client import assert_in_order, renewed
from stack_clients import Topic, wait_until
from stack_daemon import BUILD


@pytest.fixture(name="start")
def start_fixture(site, daemon, request):
    def start(**variables):
        return daemon("fetcher", **{"KAFKA_TOPIC": start.topic, "FETCH_INTERVAL_MS": 100,
                                    "TRACKED_COIN_IDS": "top:20", **variables})

    start.topic = site.name + "-" + "".join(c if c.isalnum() else "-" for c in request.node.name)
    return start


class Ticker:
    """Gives bitcoin one price after the other, each of which the fetcher has surely seen."""

    def __init__(self, market, first=30000):
        self.market = market
        self.prices = []
        self.next = first

    def tick(self, times):
        for _ in range(times):
            self.market.set_prices(bitcoin={"usd": self.next})
            self.prices.append(str(self.next))
            self.next += 1
            self.market.wait_poll()

    def assert_all_in(self, tail, timeout=60):
        last = self.prices[-1]
        tail.wait(lambda t: last in t.prices("bitcoin"), timeout, f"the price {last}")
        assert [p for p in tail.prices("bitcoin") if p in self.prices] == self.prices


def test_the_broker_crashes_and_comes_back(stack, sim, start, tail):
    """test_pipeline.py has the orderly restart."""
    assert stack.kafka.running
    ticker = Ticker(sim())
    fetcher = start()
    got = tail(start.topic)
    got.wait_count(20)
    ticker.tick(3)
    stack.kafka.kill()
    ticker.tick(5)
    fetcher.wait_log("Kafka at .* cannot be used .*trying on; ")
    stack.kafka.start()
    ticker.tick(3)
    ticker.assert_all_in(got)
    fetcher.wait_log("Kafka takes updates again")
    fetcher.terminate()
    assert "every fetched update was delivered" in fetcher.log
    assert fetcher.log.count("cannot be used") == 1
    # Each message once, although some were sent again.
    assert len(got.messages) == 20 + len(ticker.prices) == renewed(fetcher)


def test_no_broker_at_the_beginning_and_a_full_buffer(stack, sim, start, tail):
    """Fetched prices wait in memory up to the bound; then polling pauses until there is room. And
    whoever is stopped before that tells what is lost."""
    stack.kafka.stop()
    market = sim("--coins", 250, "--renew-ms", 50)
    stopped = start(KAFKA_TOPIC=f"{start.topic}-stopped", FETCH_INTERVAL_MS=600000)
    wait_until(lambda: renewed(stopped) == 20)
    stopped.process.terminate()
    assert stopped.wait_exit(15) == 0
    assert "20 fetched updates were not delivered" in stopped.log
    market.post("/sim/reset")
    fetcher = start(TRACKED_COIN_IDS="top:250", KAFKA_BUFFER_MESSAGES=1000)
    fetcher.wait_ready()  # prices are fetched even so
    fetcher.wait_status("Waiting for Kafka at")
    fetcher.wait_log(r"updates wait for Kafka and no more fit into memory; polling pauses")
    waiting = renewed(fetcher)
    assert 750 < waiting <= 1000
    calls = len(market.calls())
    fetcher.wait_status(rf"Waiting for Kafka at \S+; {waiting} updates wait in memory")
    assert len(market.calls()) == calls == len(re.findall(r"coins in usd", fetcher.log))
    stack.kafka.start()
    fetcher.wait_log("There is room for updates again")
    market.wait_calls(calls + 5)
    fetcher.terminate()
    got = tail(start.topic)
    got.wait_count(renewed(fetcher))
    assert len(got.messages) == renewed(fetcher)
    assert_in_order(got.updates)


def test_a_long_absence_is_over(stack, sim, start, tail):
    """So long that the topic is asked for again, in vain: that is forgotten afterwards."""
    ticker = Ticker(sim())
    fetcher = start()
    tail(start.topic).wait_count(20)
    stack.kafka.stop()
    ticker.tick(1)
    fetcher.wait_status("Waiting for Kafka at .*; 1 updates wait in memory")
    stack.kafka.start()
    ticker.tick(2)
    wait_until(lambda: fetcher.status.startswith("20 prices tracked"))
    assert fetcher.log.count("Kafka takes updates again") == 1
    ticker.assert_all_in(tail(start.topic))


def test_the_broker_refuses_every_message(site, sim, start, tail):
    """As when its clock is another one: what was fetched waits and is sent when it is taken."""
    topic = Topic(site.stack.kafka_broker, start.topic)
    topic.create(config={"message.timestamp.before.max.ms": "0"})
    ticker = Ticker(sim())
    fetcher = start()
    fetcher.wait_log("Kafka at .* cannot be used .*timestamp")
    ticker.tick(3)
    assert fetcher.log.count("cannot be used") == 1
    topic.configure({"message.timestamp.before.max.ms": str(2**62)})
    ticker.assert_all_in(tail(start.topic))
    fetcher.wait_log("Kafka takes updates again")
    fetcher.terminate()


def test_the_topic_is_deleted_in_the_middle(site, sim, start, tail):
    """It is made again, and what is fetched from then on is in it."""
    market = sim()
    fetcher = start(KAFKA_PARTITIONS=2)
    got = tail(start.topic)
    got.wait_count(20)
    got.close()
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": site.stack.kafka_broker})
    admin.delete_topics([start.topic])[start.topic].result(30)
    wait_until(lambda: start.topic not in admin.list_topics(timeout=10).topics)
    ticker = Ticker(market)
    ticker.tick(3)
    wait_until(lambda: start.topic in admin.list_topics(timeout=10).topics, timeout=60,
               what="the topic")
    ticker.tick(2)
    ticker.assert_all_in(tail(start.topic))
    assert fetcher.running
    partitions = admin.list_topics(start.topic, timeout=10).topics[start.topic].partitions
    assert len(partitions) == 2


def make_topic(site, *arguments, **variables):
    return subprocess.run([BUILD / "src/setup/make-topic", *map(str, arguments)], check=False,
                          env={**{k: str(v) for k, v in {**site.environment, **variables}.items()}},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def test_topic_is_made_by_the_setup(site, stack):
    name = f"{site.name}-setup"
    done = make_topic(site, 30, "/dev/null", KAFKA_TOPIC=name, KAFKA_PARTITIONS=5)
    assert done.returncode == 0, done.stdout
    assert f"Created topic {name}." in done.stdout
    assert Topic(stack.kafka_broker, name).partitions() == 5
    again = make_topic(site, 30, "/dev/null", KAFKA_TOPIC=name, KAFKA_PARTITIONS=7)
    assert (again.returncode, again.stdout.count("Created")) == (0, 0)
    assert Topic(stack.kafka_broker, name).partitions() == 5
    stack.kafka.stop()
    away = make_topic(site, 1, "/dev/null", KAFKA_TOPIC=name)
    assert away.returncode == 1
    assert "cannot be used (" in away.stdout and f"creates topic {name} as soon" in away.stdout
