"""Each thing that an operator may want explained is made to happen: an entry in the journal with its
fields, `journalctl -x` with the text of the catalog, and a status that says it."""
import json
from datetime import datetime, timedelta, timezone

import pytest
from checks import (EVENTS, PATIENCE, SIM, SUBJECTS, Configuration, DropIn, assert_all_kept, entries, mark,
                    wait_for_event, wait_for_new_prices, wait_for_status)
from conftest import API

PRODUCE = "kcat -P -b localhost:9092 -t crypto-updates -p 0"


@pytest.fixture
def host(running_host):
    return running_host


class Fault:
    """The simulator misbehaves while the block runs."""

    def __init__(self, host, **fault):
        self.host, self.fault = host, {"path": "markets", **fault}

    def __enter__(self):
        self.host.run(f"curl -sf -d @- {SIM}/faults", stdin=json.dumps(self.fault))

    def __exit__(self, *_):
        self.host.run(f"curl -sf -X DELETE {SIM}/faults")


def test_every_event_has_its_text(host):
    listed = host.run("journalctl --list-catalog")
    for name, event in EVENTS.items():
        assert event in SUBJECTS, name
        assert f"{event} Crypto Pulse: {SUBJECTS[event]}" in listed, name


def test_gap(host):
    """Five hours ago, prices came for some time, and then none. The first test, because others leave gaps."""
    began = datetime.now(timezone.utc) - timedelta(hours=5)
    times = [began + timedelta(minutes=n) for n in range(30)]
    host.run(f"{PRODUCE} -k bitcoin", stdin="".join(
        f'{{"price":1000,"currency":"usd","timestamp":"{at:%FT%T}.000Z"}}\n' for at in times))
    wait_for_status(host, "websocket", "all persisted")
    since = mark(host)
    host.run("systemctl start crypto-pulse-maintenance.service")
    wait_for_event(host, since, "GAP_DETECTED", "maintenance", COIN_ID="bitcoin", CURRENCY="usd", GAPS="1", PAIRS="1")
    wait_for_event(host, since, "GAP_REPAIRED", "maintenance", COIN_ID="bitcoin", POINTS=None, CALLS="1", GAPS="1")


@pytest.mark.parametrize("event, fault, status, fields", [
    ("SOURCE_UNREACHABLE", {"fault": "503"}, "no usable answer", {"HTTP_STATUS": "503"}),
    ("SOURCE_UNREACHABLE", {"fault": "reset"}, "no usable answer", {"HTTP_STATUS": "0"}),
    ("RATE_LIMITED", {"fault": "429", "retry_after": 2}, "(?i)limit", {"HTTP_STATUS": "429", "DELAY_MS": None}),
    ("KEY_REFUSED", {"fault": "code-error"}, "(?i)key", {"HTTP_STATUS": "400"}),
])
def test_source(host, event, fault, status, fields):
    since = mark(host)
    with Fault(host, **fault):
        wait_for_event(host, since, event, "fetcher", **fields)
        wait_for_status(host, "fetcher", status)
    wait_for_status(host, "fetcher", r"^\d+ prices tracked")


def test_currency_that_the_source_does_not_have(host):
    """The other calls go on."""
    since = mark(host)
    with DropIn(host, "fetcher", "Environment=DEFAULT_CURRENCY=usd,foo"):
        wait_for_event(host, since, "CALL_REFUSED", "fetcher", CURRENCY="foo", HTTP_STATUS="422", URL=None)
        wait_for_status(host, "fetcher", "refuses a call")
        wait_for_new_prices(host)


def test_source_stale(host):
    ids = [coin["id"] for coin in json.loads(host.run("curl -sf http://127.0.0.1:18400/api/v3/coins/list"))]
    since = mark(host)
    with Fault(host, fault="stale", coins=ids):
        host.run("systemctl restart crypto-pulse-fetcher.service")
        wait_for_event(host, since, "SOURCE_STALE", "fetcher", AGE_S=None)
        wait_for_status(host, "fetcher", "(?i)stale|renewed")


def test_budget(host):
    since = mark(host)
    with DropIn(host, "fetcher", "Environment=COINGECKO_MONTHLY_CALLS=1"):
        wait_for_event(host, since, "BUDGET_RUNNING_OUT", "fetcher", CALLS_USED=None)
        wait_for_status(host, "fetcher", "(?i)budget")


def test_broker(host):
    """Both sides tell; what was fetched goes out afterwards."""
    since = mark(host)
    host.run("systemctl stop kafka.service")
    wait_for_event(host, since, "BROKER_UNREACHABLE", "fetcher", KAFKA_TOPIC="crypto-updates")
    wait_for_event(host, since, "BROKER_UNREACHABLE", "websocket", KAFKA_TOPIC="crypto-updates")
    wait_for_status(host, "fetcher", "Waiting for Kafka")
    wait_for_status(host, "websocket", "Waiting for")
    host.run("systemctl start kafka.service")
    wait_for_status(host, "fetcher", r"^\d+ prices tracked")
    wait_for_status(host, "websocket", "all persisted")


def test_buffer_full(host):
    since = mark(host)
    with DropIn(host, "fetcher", "Environment=KAFKA_BUFFER_MESSAGES=1000 TRACKED_COIN_IDS=top:250"
                                 " DEFAULT_CURRENCY=usd,eur,gbp,jpy,chf"):
        wait_for_status(host, "fetcher", r"^\d+ prices tracked")
        host.run("systemctl stop kafka.service")
        wait_for_event(host, since, "BUFFER_FULL", "fetcher")
        wait_for_status(host, "fetcher", r"\d{3,} updates wait in memory")
        host.run("systemctl start kafka.service")
        wait_for_status(host, "fetcher", r"^\d+ prices tracked")


def test_database(host):
    """The stream goes on."""
    host.copy("stream.py")
    since = mark(host)
    host.run("systemctl stop postgresql.service 'postgresql@*'")
    wait_for_event(host, since, "DATABASE_UNREACHABLE", "websocket")
    wait_for_status(host, "websocket", "persister waits for PostgreSQL")
    host.run(f"curl -s {API}/cryptos/bitcoin/history?limit=17")
    wait_for_event(host, since, "DATABASE_UNREACHABLE", "api")
    wait_for_status(host, "api", "database DOWN")
    host.run("python3 /root/stream.py --first")
    host.run("systemctl start postgresql.service")
    wait_for_status(host, "websocket", "all persisted")
    host.wait(f"curl -sf {API}/health")


def test_cache(host):
    since = mark(host)
    host.run("systemctl stop crypto-pulse-cache.service")
    host.run(f"curl -sf {API}/cryptos")
    wait_for_event(host, since, "CACHE_UNREACHABLE", "api")
    wait_for_status(host, "api", "cache DOWN")
    host.run(f"systemctl start crypto-pulse-cache.service; curl -sf {API}/cryptos")
    wait_for_status(host, "api", "cache up")


def test_poison(host):
    since = mark(host)
    host.run(PRODUCE, stdin="this is no price\n")
    wait_for_event(host, since, "POISON_MESSAGE", "websocket", KAFKA_TOPIC="crypto-updates", KAFKA_PARTITION="0",
                   KAFKA_OFFSET=None)
    wait_for_status(host, "websocket", "all persisted")


def test_clients_refused(host):
    host.copy("stream.py")
    since = mark(host)
    with Configuration(host, websocket="max_clients = 1"):
        host.run("systemctl reload crypto-pulse-websocket.service")
        one = host.start("python3", "/root/stream.py", "1")
        assert one.stdout.readline() == "open\n"
        assert not host.succeeds("python3 /root/stream.py --first")
        wait_for_event(host, since, "CLIENTS_REFUSED", "websocket", PEER=None)
    host.run("systemctl reload crypto-pulse-websocket.service && pkill -f '^python3 /root/stream.py'")
    one.communicate(timeout=30)


def test_no_files_left_for_clients(host):
    """It is told; the watchdog is fed and PostgreSQL is asked all the same."""
    many = "import socket, time; _ = [socket.create_connection(('127.0.0.1', 5001)) for _ in range(80)]; time.sleep(600)"
    with DropIn(host, "api", "LimitNOFILE=64", "WatchdogSec=3s"):
        since = mark(host)
        clients = host.start("python3", "-c", many)
        wait_for_event(host, since, "CANNOT_ACCEPT", "api", OPEN_FILES_MAX="64")
        told = int(host.show("crypto-pulse-api.service", "WatchdogTimestampMonotonic"))
        host.wait(f"[ $(systemctl show -P WatchdogTimestampMonotonic crypto-pulse-api.service) -gt {told + 4000000} ]")
        assert host.show("crypto-pulse-api.service", "ActiveState", "NRestarts") == \
            {"ActiveState": "active", "NRestarts": "0"}
        host.run("pkill -f '^python3 -c import socket'")
        clients.wait(timeout=30)
        host.wait(f"curl -sf --max-time 5 {API}/health")


def test_repeated_failures_are_no_flood(host):
    """Some refused calls are one entry, one more tells that it is over."""
    since = mark(host)
    host.run(f"curl -sf {SIM}/reset -X POST")
    with Fault(host, fault="429"):
        host.wait(f"[ $(curl -s {SIM}/log | grep -o '\"status\":429' | wc -l) -ge 3 ]", PATIENCE)
    wait_for_status(host, "fetcher", r"^\d+ prices tracked")
    assert len(entries(host, since, f"MESSAGE_ID={EVENTS['RATE_LIMITED']}")) == 1
    assert len(entries(host, since, "_SYSTEMD_UNIT=crypto-pulse-fetcher.service PRIORITY=5")) == 1


def test_nothing_was_lost(host):
    wait_for_new_prices(host)
    print(f"{assert_all_kept(host)} prices published, each in the database once")
