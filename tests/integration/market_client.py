"""A coingecko-sim as tests drive it, and what the fetcher made of it in a topic."""

import json
import re
import threading
from datetime import datetime

import confluent_kafka
import confluent_kafka.admin
import requests

from stack_clients import wait_until


def exactly(body):
    """JSON with its numbers as texts, the way they were written."""
    return json.loads(body, parse_float=str, parse_int=str)


class Sim:
    """URL: http://127.0.0.1:PORT of a running one."""

    def __init__(self, process, port):
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.url}/api/v3"

    def get(self, path, **query):
        return exactly(requests.get(self.url + path, params=query, timeout=30).content)

    def post(self, path, body=None):
        answer = requests.post(self.url + path, json=body, timeout=30)
        assert answer.status_code == 200, answer.text

    def fault(self, kind, **more):
        self.post("/sim/faults", {"path": "/coins/markets", "fault": kind, **more})

    def no_faults(self):
        requests.delete(f"{self.url}/sim/faults", timeout=30)

    def set_prices(self, **prices):
        """From now on: set_prices(bitcoin={"usd": 43210})."""
        self.post("/sim/prices", prices)

    def markets(self, **query):
        """What it would tell the fetcher now; not in calls()."""
        query = {"vs_currency": "usd", "per_page": 250, **query}
        coins = self.get("/api/v3/coins/markets", **query)
        return {coin["id"]: coin for coin in coins}

    def calls(self):
        """The fetcher's, oldest first."""
        requests_ = self.get("/sim/log")["requests"]
        return [call for call in requests_ if (call["userAgent"] or "").startswith("crypto-pulse/")]

    def wait_calls(self, count, timeout=30):
        """At least COUNT of them, answered."""
        def enough():
            calls = [call for call in self.calls() if call["status"] != "0"]
            return calls if len(calls) >= count else None
        return wait_until(enough, timeout, f"call {count} of the fetcher")

    def wait_poll(self):
        """Until a whole answer has been asked for and given from now on."""
        return self.wait_calls(len(self.calls()) + 2)


def query_of(call):
    return dict(pair.split("=", 1) for pair in call["query"].split("&"))


def seconds_between(earlier, later):
    """From one call to another."""
    return (datetime.fromisoformat(later["time"]) - datetime.fromisoformat(earlier["time"])) \
        .total_seconds()


class TopicTail:
    """Reads all of a topic from its beginning on, in a thread; the topic may come later."""

    def __init__(self, broker, name):
        self.name = name
        self.messages = []  # (key, value text, partition)
        self.updates = []   # (coin, object with numbers as texts), in each partition's order
        self._changed = threading.Condition()
        self._stop = False
        self._settings = {"bootstrap.servers": broker, "log_level": 0,
                          "topic.metadata.refresh.interval.ms": 200}
        self._consumer = confluent_kafka.Consumer({
            **self._settings, "group.id": f"tail-{name}", "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "reconnect.backoff.max.ms": 500})
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _assign(self):
        admin = confluent_kafka.admin.AdminClient(self._settings)
        while not self._stop:
            try:
                topics = admin.list_topics(timeout=1).topics
            except confluent_kafka.KafkaException:
                continue
            if self.name in topics and topics[self.name].partitions:
                beginning = confluent_kafka.OFFSET_BEGINNING
                self._consumer.assign([confluent_kafka.TopicPartition(self.name, p, beginning)
                                       for p in topics[self.name].partitions])
                return

    def _run(self):
        self._assign()
        while not self._stop:
            for message in self._consumer.consume(500, 0.02):
                if message.error():
                    continue
                key, value = message.key().decode(), message.value().decode()
                with self._changed:
                    self.messages.append((key, value, message.partition()))
                    self.updates.append((key, exactly(value)))
                    self._changed.notify_all()
        self._consumer.close()

    def prices(self, coin_id, currency="usd"):
        return [u["price"] for key, u in list(self.updates)
                if key == coin_id and u["currency"] == currency]

    def wait(self, condition, timeout=30, what="what should be in the topic"):
        """Until CONDITION(self) holds."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout), \
                f"{what} did not come within {timeout} s; there are {len(self.messages)} messages"

    def wait_count(self, count, timeout=30):
        self.wait(lambda tail: len(tail.messages) >= count, timeout, f"message {count}")

    def close(self):
        self._stop = True
        self._thread.join(10)


def assert_in_order(updates):
    """Of each coin and currency, every update is newer than the one before."""
    last = {}
    for key, update in updates:
        where = key, update["currency"]
        assert update["timestamp"] > last.get(where, ""), where
        last[where] = update["timestamp"]


def renewed(fetcher):
    """How many prices the fetcher has found renewed so far, by its own log."""
    return sum(int(n) for n in re.findall(r" coins in \S+, (\d+) of them renewed\.", fetcher.log))
