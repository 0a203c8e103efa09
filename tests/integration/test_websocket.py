"""websocket-service: every price into PostgreSQL exactly once, and to every client."""

import json
import os
import re
import signal
import socket
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from api_client import add_coin, add_price, stopped
from stack_clients import Database, wait_until
from stack_daemon import program

START = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=30)


def stamp(n):
    """A timestamp n ms after the beginning of the tests' time."""
    at = START + timedelta(milliseconds=n)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def message(price, n=0, currency="usd", more=""):
    """A Kafka value with the price's text as it stands."""
    return f'{{"price":{price},"currency":"{currency}","timestamp":"{stamp(n)}"{more}}}'


@pytest.fixture(scope="module", autouse=True)
def topic_fixture(site):
    site.topic.create(partitions=3)


@pytest.fixture(name="connect")
def connect_fixture(site):
    clients = []

    def connect(**options):
        clients.append(site.websocket(**options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture(name="coin")
def coin_fixture(request):
    """A coin id that no other test uses."""
    return request.node.name.replace("[", "-").replace("]", "").replace("_", "-").replace(",", "")


@pytest.fixture(name="service")
def service_fixture(daemon):
    one = daemon("websocket")
    one.wait_ready()
    return one


def count(site, coin):
    return site.db.value("select count(*) from prices join coins using (coin_no) where id = %s", coin)


def stored(site, coin):
    """All prices of a coin as texts, oldest first."""
    return [row[0] for row in site.db.rows(
        "select price::text from prices join coins using (coin_no) where id = %s order by ts", coin)]


def wait_count(site, coin, n, timeout=30):
    wait_until(lambda: count(site, coin) >= n, timeout, f"{n} rows of {coin}")
    assert count(site, coin) == n


def lag(site):
    """How many messages of the topic the database has not accounted for."""
    ends = site.topic.ends()
    known = dict(site.db.rows(
        "select partition, next_offset from kafka_offsets where group_id = %s and topic = %s",
        site.group, site.topic.name))
    return sum(end - known.get(partition, 0) for partition, end in ends.items())


# ---- what comes in goes out -----------------------------------------------------------------


PRICES = ["43210.12", "20000546.0", "0.000000001223", "123456789.123456789", "100000000000000000",
          "0.100", "1", "19700000000000000000000000000000000000", "3.00000000000000000000000001"]


@pytest.mark.parametrize("price", PRICES)
def test_price_text_is_kept(site, service, connect, coin, price):
    assert service.ready
    client = connect()
    site.topic.produce(coin, message(price))
    assert client.wait_for(lambda u: u["coinId"] == coin)["price"] == price
    text = next(m for m in client.messages if f'"{coin}"' in m)
    assert text == f'{{"coinId":"{coin}",{message(price)[1:]}'
    wait_count(site, coin, 1)
    assert stored(site, coin) == [price]


def test_exponents_are_written_out(site, service, connect, coin):
    assert service.ready
    client = connect()
    site.topic.produce(coin, message("1.223e-09"))
    assert client.wait_for(lambda u: u["coinId"] == coin)["price"] == "0.000000001223"
    wait_count(site, coin, 1)
    assert stored(site, coin) == ["0.000000001223"]


def test_details_follow_the_plain_format(site, service, connect, coin):
    assert service.ready
    more = (',"symbol":"btc","name":"Bit\\u00e9 \\"coin\\"","marketCapRank":7,"marketCap":850000000000,'
            '"volume24h":20000546.0,"high24h":2.5,"low24h":1.50,"change24h":-0.75,'
            '"changePercent24h":-1.23456')
    client = connect()
    site.topic.produce(coin, message("1.5", more=more))
    update = client.wait_for(lambda u: u["coinId"] == coin)
    assert list(update) == ["coinId", "price", "currency", "timestamp", "symbol", "name",
                            "marketCapRank", "marketCap", "volume24h", "high24h", "low24h",
                            "change24h", "changePercent24h"]
    assert update["name"] == 'Bité "coin"' and update["change24h"] == "-0.75"
    wait_count(site, coin, 1)
    assert site.db.rows("select symbol, name, market_cap_rank from coins where id = %s", coin) \
        == [("btc", 'Bité "coin"', 7)]
    assert site.db.rows(
        "select l.price::text, market_cap::text, volume_24h::text, high_24h::text, low_24h::text,"
        " change_24h::text, change_percent_24h::text from latest_prices l join coins using (coin_no)"
        " where id = %s", coin) \
        == [("1.5", "850000000000", "20000546.0", "2.5", "1.50", "-0.75", "-1.23456")]


def test_new_client_gets_the_latest_of_each(site, service, connect, coin):
    assert service.ready
    first = connect()
    site.topic.produce_all([(coin, message(n, n)) for n in range(1, 51)])
    site.topic.produce_all([(coin, message(n, n, "eur")) for n in range(1, 11)])
    first.wait_for(lambda u: (u["coinId"], u["currency"], u["price"]) == (coin, "eur", "10"))
    assert len([u for u in first.updates if u["coinId"] == coin]) == 60  # live: every one

    second = connect()
    second.wait_for(lambda u: (u["coinId"], u["currency"]) == (coin, "eur"))
    assert sorted(u["price"] for u in second.updates if u["coinId"] == coin) == ["10", "50"]


def test_older_update_is_stored_but_not_shown(site, service, connect, coin):
    assert service.ready
    client = connect()
    site.topic.produce_all([(coin, message(2, 2)), (coin, message(1, 1)), (coin, message(3, 3))])
    client.wait_for(lambda u: u["coinId"] == coin and u["price"] == "3")
    assert [u["price"] for u in client.updates if u["coinId"] == coin] == ["2", "3"]
    wait_count(site, coin, 3)
    assert site.db.value("select price from latest_prices join coins using (coin_no) where id = %s",
                         coin) == 3


# ---- what is no price -----------------------------------------------------------------------


POISON = {
    "no key": (None, message("1")),
    "empty key": ("", message("1")),
    "key with a quote": ('bit"coin', message("1")),
    "key of 200 bytes": ("x" * 200, message("1")),
    "key with NUL": ("bit\0coin", message("1")),
    "key that is no UTF-8": (b"\xff\xfe", message("1")),
    "no value": ("COIN", None),
    "empty value": ("COIN", ""),
    "no JSON": ("COIN", "price: 1"),
    "cut JSON": ("COIN", message("1")[:-3]),
    "more after JSON": ("COIN", message("1") + "}"),
    "an array": ("COIN", f"[{message('1')}]"),
    "a number": ("COIN", "1"),
    "deeply nested": ("COIN", "[" * 50000),
    "no UTF-8": ("COIN", b'{"price":1,"currency":"usd","timestamp":"\xff"}'),
    "no price": ("COIN", f'{{"currency":"usd","timestamp":"{stamp(0)}"}}'),
    "price null": ("COIN", message("null")),
    "price zero": ("COIN", message("0")),
    "price 0.000": ("COIN", message("0.000")),
    "price negative": ("COIN", message("-1")),
    "price NaN": ("COIN", message("NaN")),
    "price Infinity": ("COIN", message("Infinity")),
    "price 1e400": ("COIN", message("1e400")),
    "price string": ("COIN", message('"1"')),
    "price like a marked number": ("COIN", message('"#1"')),
    "price object": ("COIN", message("{}")),
    "no currency": ("COIN", f'{{"price":1,"timestamp":"{stamp(0)}"}}'),
    "currency with spaces": ("COIN", message("1", currency="us d")),
    "currency in capitals": ("COIN", message("1", currency="USD")),
    "currency of 40 bytes": ("COIN", message("1", currency="u" * 40)),
    "no timestamp": ("COIN", '{"price":1,"currency":"usd"}'),
    "timestamp number": ("COIN", '{"price":1,"currency":"usd","timestamp":1700000000}'),
    "timestamp text": ("COIN", '{"price":1,"currency":"usd","timestamp":"yesterday"}'),
    "timestamp 1970": ("COIN", '{"price":1,"currency":"usd","timestamp":"1970-01-01T00:00:00Z"}'),
    "timestamp 2106": ("COIN", '{"price":1,"currency":"usd","timestamp":"2106-01-01T00:00:00Z"}'),
    "timestamp year 99999": ("COIN",
                             '{"price":1,"currency":"usd","timestamp":"99999-01-01T00:00:00Z"}'),
    "nearly 1 MB": ("COIN", message("1", more=f',"name":"{"x" * 1_000_000}"')),
    "random bytes": ("COIN", bytes(range(256)) * 8),
}


def test_poison_is_passed_over(site, service, connect, coin):
    """All of it in one partition, between good ones."""
    client = connect()
    n, messages = 0, []
    for key, value in POISON.values():
        n += 1
        messages += [(coin, message(n, n)), (coin if key == "COIN" else key, value)]
    messages.append((coin, message(n + 1, n + 1)))
    site.topic.produce_all(messages, partition=0)
    client.wait_for(lambda u: u["coinId"] == coin and u["price"] == str(n + 1))
    wait_count(site, coin, n + 1)
    assert stored(site, coin) == [str(i + 1) for i in range(n + 1)]
    assert {u["coinId"] for u in client.updates} & {"", 'bit"coin', "bit", "x" * 200} == set()
    wait_until(lambda: lag(site) == 0)
    # The first is told with where it is, the rest of them counted.
    line = service.wait_log(r"warning: Message at (\S+)/0 offset \d+ is no price update \(no key")
    assert line.group(1) == site.topic.name
    assert "KAFKA_PARTITION=0" in service.log and "KAFKA_OFFSET=" in service.log
    assert len(re.findall("warning: Message at .* is no price update", service.log)) == 1
    assert len(re.findall("debug: Message at .* is no price update", service.log)) == len(POISON) - 1


def test_ten_megabytes_are_passed_over(site, stack, daemon, connect, coin):
    topic = site.topic.beside("large", {"max.message.bytes": "15000000"})
    service = daemon("websocket", KAFKA_TOPIC=topic.name)
    service.wait_ready()
    client = connect()
    large = message("1", more=f',"name":"{"x" * 10_000_000}"')
    topic.produce_all([(coin, message(1, 1)), (coin, large), (coin, message(2, 2))], partition=0)
    client.wait_for(lambda u: u["coinId"] == coin and u["price"] == "2")
    wait_count(site, coin, 2)
    service.wait_log("larger than any price message")
    assert stack.kafka.running


def test_row_that_the_server_refuses_costs_only_itself(site, service, coin):
    site.db.rows("alter table prices add constraint no_666 check (price <> 666) not valid")
    try:
        prices = [666 if n % 97 == 13 else n + 1 for n in range(400)]
        site.topic.produce_all([(coin, message(p, n)) for n, p in enumerate(prices)])
        wait_until(lambda: lag(site) == 0)
        assert stored(site, coin) == [str(p) for p in prices if p != 666]
        service.wait_log(r"is no price update \(.*no_666")
        # It is no reason for what comes later.
        site.db.rows("select pg_terminate_backend(pid) from pg_stat_activity"
                     " where application_name = 'crypto-pulse-websocket'")
        service.wait_log(r"cannot be persisted now \(the server has closed the connection\)")
    finally:
        site.db.rows("alter table prices drop constraint no_666")


def test_dropped_partition_is_made_again(site, service, coin):
    assert service.ready
    old = '{"price":%d,"currency":"usd","timestamp":"2015-03-04T05:06:%02d.000Z"}'
    site.topic.produce(coin, old % (1, 1))
    wait_count(site, coin, 1)
    site.db.rows("drop table prices_2015_03")
    site.topic.produce(coin, old % (2, 2))
    wait_until(lambda: stored(site, coin) == ["2"])


# ---- servers that go away -------------------------------------------------------------------


def test_postgres_away_and_back(site, stack, service, connect, coin):
    client = connect()
    site.topic.produce(coin, message(1, 1))
    wait_count(site, coin, 1)
    stack.postgres.stop()
    service.wait_status("persister waits for PostgreSQL")
    for n in range(2, 302, 50):
        site.topic.produce_all([(coin, message(i, i)) for i in range(n, n + 50)])
    client.wait_for(lambda u: u["coinId"] == coin and u["price"] == "301", timeout=5)
    assert len([u for u in client.updates if u["coinId"] == coin]) == 301
    stack.postgres.start()
    wait_count(site, coin, 301)
    assert stored(site, coin) == [str(n) for n in range(1, 302)]
    service.wait_log("Prices are persisted again")
    assert service.log.count("Prices cannot be persisted now") == 1


def test_postgres_crash_in_the_middle_of_a_stream(site, stack, service, coin):
    total = 3000

    def produce():
        for n in range(0, total, 100):
            site.topic.produce_all([(coin, message(i + 1, i)) for i in range(n, n + 100)])

    thread = threading.Thread(target=produce)
    thread.start()
    for _ in range(2):
        before = count(site, coin)
        wait_until(lambda: count(site, coin) > before or not thread.is_alive())
        stack.postgres.kill()
        stack.postgres.start()
    thread.join()
    assert service.running
    wait_count(site, coin, total, 60)


def test_start_without_postgres(site, stack, daemon, connect, coin):
    stack.postgres.stop()
    service = daemon("websocket")
    service.wait_ready(10)
    client = connect()
    site.topic.produce(coin, message(1, 1))
    client.wait_for(lambda u: u["coinId"] == coin, timeout=5)
    stack.postgres.start()
    wait_count(site, coin, 1)


def test_database_knows_more_than_the_tail_of_the_topic(site, daemon, connect, coin):
    """Coins of which Kafka has nothing any more. The rank of one that is no longer renewed is another one's now."""
    site.db.rows("insert into currencies (code) values ('usd') on conflict do nothing")
    for name, time in ((coin, "2024-05-06T07:08:09.010Z"), (f"{coin}-new", stamp(0))):
        site.db.rows("insert into coins (id, symbol, name, market_cap_rank) values (%s, 'old', 'Old Coin', 7)", name)
        site.db.rows("insert into latest_prices (coin_no, currency_no, ts, price, volume_24h)"
                     " select coin_no, currency_no, %s, 0.0450, 7 from coins, currencies"
                     " where id = %s and code = 'usd'", time, name)
    daemon("websocket").wait_ready()
    assert connect().wait_for(lambda u: u["coinId"] == coin) == {
        "coinId": coin, "price": "0.0450", "currency": "usd",
        "timestamp": "2024-05-06T07:08:09.010Z", "symbol": "old", "name": "Old Coin",
        "volume24h": "7"}
    assert connect().wait_for(lambda u: u["coinId"] == f"{coin}-new")["marketCapRank"] == "7"


def test_kafka_away_and_back(site, stack, service, connect, coin):
    client = connect()
    site.topic.produce(coin, message(1, 1))
    client.wait_for(lambda u: u["coinId"] == coin)
    stack.kafka.kill()
    service.wait_status("Waiting for the Kafka broker")
    assert connect().wait_for(lambda u: u["coinId"] == coin)["price"] == "1"
    stack.kafka.start()
    site.topic.produce(coin, message(2, 2))
    client.wait_for(lambda u: u["coinId"] == coin and u["price"] == "2")
    wait_count(site, coin, 2)


def test_start_without_kafka(site, stack, daemon, connect, coin):
    stack.kafka.stop()
    """Ready after some seconds with what the database knows; the rest follows."""
    known = f"{coin}-known"
    add_coin(site.db, known)
    add_price(site.db, known, "7", stamp(0))
    stack.kafka.stop()
    service = daemon("websocket")
    service.wait_status("Waiting for the Kafka broker")
    service.wait_ready()
    assert connect().wait_for(lambda u: u["coinId"] == known)["price"] == "7"
    stack.kafka.start()
    site.topic.produce(coin, message(1, 1))
    connect().wait_for(lambda u: u["coinId"] == coin)
    wait_count(site, coin, 1)


def test_topic_that_comes_later(site, daemon, connect, coin):
    late = f"{site.topic.name}-late"
    service = daemon("websocket", KAFKA_TOPIC=late)
    service.wait_ready(10)
    service.wait_status("Waiting for the Kafka topic")
    client = connect()
    topic = site.topic.beside("late", {})
    topic.produce(coin, message(1, 1))
    client.wait_for(lambda u: u["coinId"] == coin)
    wait_count(site, coin, 1)


# ---- exactly once ---------------------------------------------------------------------------


def test_restored_backup(site, daemon, coin):
    """Rows and positions are those of an earlier time: what came since is read again, from the
    topic that has lost some of it."""
    service = daemon("websocket")
    service.wait_ready()
    site.topic.produce_all([(coin, message(n + 1, n)) for n in range(100)], partition=1)
    wait_count(site, coin, 100)
    end = site.topic.ends()[1]
    wait_until(lambda: site.topic.committed(site.group, 1) == end)

    def restore(written):
        """Until there the backup had come."""
        site.db.rows("update kafka_offsets set next_offset = %s where topic = %s and partition = 1",
                     end - 100 + written, site.topic.name)
        site.db.rows("delete from prices where price > %s and coin_no ="
                     " (select coin_no from coins where id = %s)", written, coin)
        site.db.rows("select pg_terminate_backend(pid) from pg_stat_activity"
                     " where application_name = 'crypto-pulse-websocket'")

    restore(40)
    wait_count(site, coin, 100)
    assert service.wait_log(r"PostgreSQL stands (\d+) messages before")[1] == "60"
    assert "had left topic" not in service.log
    site.topic.delete_before(1, end - 30)
    restore(40)
    wait_count(site, coin, 70)
    assert service.wait_log(r"(\d+) messages had left topic")[1] == "30"
    assert site.db.value("select count(distinct ts) from prices where coin_no ="
                         " (select coin_no from coins where id = %s)", coin) == 70


@pytest.mark.parametrize("position", ["back", "gone", "ahead"])
def test_position_that_another_has_changed(site, daemon, coin, position):
    """While the persister is connected and has nothing to write: a backup of before the last 60
    messages, or of before all of them, is restored, or another member has written them."""
    topic = site.topic.beside(coin)
    service = daemon("websocket", KAFKA_TOPIC=topic.name)
    service.wait_ready()
    topic.produce_all([(coin, message(n + 1, n)) for n in range(100)], partition=1)
    wait_count(site, coin, 100)
    wait_until(lambda: topic.committed(site.group, 1) == 100)

    where = f"topic = '{topic.name}' and partition = 1"
    change = {"back": f"update kafka_offsets set next_offset = 40 where {where}",
              "gone": f"delete from kafka_offsets where {where}",
              "ahead": f"update kafka_offsets set next_offset = 101 where {where}"}[position]
    kept = {"back": 40, "gone": 0, "ahead": 100}[position]
    site.db.rows(f"begin; {change}; delete from prices where price > {kept} and coin_no ="
                 f" (select coin_no from coins where id = '{coin}'); commit")
    topic.produce_all([(coin, message(n + 1, n)) for n in range(100, 110)], partition=1)
    wait_until(lambda: site.db.value(f"select next_offset from kafka_offsets where {where}") == 110)
    assert stored(site, coin) == [str(n + 1) for n in range(110)
                                  if n != 100 or position != "ahead"]
    if kept < 100:
        told = service.wait_log(r"PostgreSQL stands (\d+) messages before")[1]
        assert told == str(100 - kept)


def test_redelivery_changes_nothing(site, daemon, connect, coin):
    def content():
        return [site.db.rows(sql.replace("THIS", "coin_no = (select coin_no from coins"
                                                 " where id = %s)"), coin)
                for sql in ("select * from prices where THIS order by 1, 2, 3",
                            "select * from latest_prices where THIS order by 1, 2",
                            "select * from coins where THIS")]

    service = daemon("websocket")
    service.wait_ready()
    site.topic.produce_all([(coin, message(n + 1, n, more=f',"marketCapRank":{n // 100 + 1}'))
                            for n in range(500)])
    wait_until(lambda: lag(site) == 0)
    service.terminate()
    before = content()
    assert len(before[0]) == 500
    site.db.rows("delete from kafka_offsets")

    daemon("websocket").wait_ready()
    connect().wait_for(lambda u: u["coinId"] == coin and u["price"] == "500")
    wait_until(lambda: lag(site) == 0)
    assert content() == before


def test_kill_in_the_middle_of_a_stream(site, daemon, coin):
    total, done = 6000, threading.Event()

    def produce():
        for n in range(0, total, 100):
            site.topic.produce_all([(f"{coin}-{i % 7}", message(i + 1, i))
                                    for i in range(n, n + 100)])
        done.set()

    def rows():
        return site.db.value("select count(*) from prices join coins using (coin_no)"
                             " where id like %s", f"{coin}-%")

    service = daemon("websocket")
    service.wait_ready()
    thread = threading.Thread(target=produce)
    thread.start()
    for _ in range(3):
        before = rows()
        wait_until(lambda: rows() > before or done.is_set(), 60)
        service.kill()
        service = daemon("websocket")
    thread.join()
    wait_until(lambda: rows() >= total, 60, f"{total} rows")
    wait_until(lambda: lag(site) == 0)
    assert rows() == total
    assert site.db.value("select count(distinct price) from prices join coins using (coin_no)"
                         " where id like %s", f"{coin}-%") == total


def test_two_instances_share_the_work(site, daemon, coin):
    first = daemon("websocket")
    second = daemon("websocket", WEBSOCKET_PORT=site.websocket_port + 1000)
    first.wait_ready()
    second.wait_ready()
    second.wait_log(r"Persisting [12] partitions")
    first.wait_log(r"Persisting [12] partitions")
    total = 2000
    site.topic.produce_all([(f"{coin}-{n % 9}", message(n + 1, n)) for n in range(total)])
    second.terminate()
    site.topic.produce_all([(f"{coin}-{n % 9}", message(n + 1, n))
                            for n in range(total, total + 100)])
    wait_until(lambda: site.db.value("select count(*) from prices join coins using (coin_no)"
                                     " where id like %s", f"{coin}-%") >= total + 100)
    wait_until(lambda: lag(site) == 0)
    assert site.db.value("select count(*) from prices join coins using (coin_no)"
                         " where id like %s", f"{coin}-%") == total + 100


# ---- clients --------------------------------------------------------------------------------


HANDSHAKE = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def kernel_bytes(site, client):
    """What the kernel holds of the daemon's for a client."""
    ends = [f":{port:04X}" for port in (site.websocket_port, client.getsockname()[1])]
    with open("/proc/net/tcp", encoding="ascii") as connections:
        for _, local, remote, _, queues, *_ in map(str.split, connections):
            if local.endswith(ends[0]) and remote.endswith(ends[1]):
                return int(queues.split(":")[0], 16)
    raise AssertionError("there is no such connection")


def read_frames(stream):
    """The texts of unmasked frames from a file, without an end."""
    while True:
        head = stream.read(2)
        length = head[1]
        if length == 126:
            length = int.from_bytes(stream.read(2), "big")
        elif length == 127:
            length = int.from_bytes(stream.read(8), "big")
        payload = stream.read(length)
        if head[0] == 0x81:
            yield payload.decode()


def test_slow_client_is_bounded_and_catches_up(site, service, connect, coin):
    total, coins = 30000, 20
    fast = connect()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", site.websocket_port))
    slow.sendall(HANDSHAKE)
    more = f',"name":"{"n" * 100}"'
    before = resident_kb(service.pid)
    site.topic.produce_all([(f"{coin}-{n % coins}", message(n + 1, n, more=more))
                            for n in range(total)])
    fast.wait_for(lambda u: u["coinId"].startswith(coin) and u["price"] == str(total))
    # 30,000 frames are 7 MB; a client that does not read may cost one buffer of 64 kB and the
    # kernel's. What reading them took is given back. (Not by a sanitizer.)
    assert kernel_bytes(site, slow) < 100 * 1024
    if b"__asan_init" not in program("websocket").read_bytes():
        wait_until(lambda: resident_kb(service.pid) - before < 4 * 1024)

    newest, seen = {}, 0
    stream = slow.makefile("rb")
    while stream.readline() != b"\r\n":
        pass
    slow.settimeout(20)
    wanted = {f"{coin}-{n % coins}": str(n + 1) for n in range(total - coins, total)}
    for text in read_frames(stream):
        update = json.loads(text, parse_int=str, parse_float=str)
        newest[update["coinId"]] = update["price"]
        seen += 1
        if all(newest.get(name) == price for name, price in wanted.items()):
            break
    assert seen < total
    slow.close()


def test_client_that_never_reads_does_not_hold_up_the_end(site, service, connect, coin):
    fast = connect()
    with socket.create_connection(("127.0.0.1", site.websocket_port)) as slow:
        slow.sendall(HANDSHAKE)
        more = f',"name":"{"n" * 100}"'
        site.topic.produce_all([(coin, message(n + 1, n, more=more)) for n in range(30000)])
        fast.wait_for(lambda u: u["coinId"] == coin and u["price"] == "30000")
        service.terminate(5)


def test_too_many_clients_are_refused(site, daemon, connect):
    service = daemon("websocket", WEBSOCKET_MAX_CLIENTS=2)
    service.wait_ready()
    one, two = connect(), connect()
    refused = connect()
    wait_until(lambda: refused.error)
    assert one.error is None and two.error is None
    one.close()
    wait_until(lambda: "1 clients" in service.status)
    assert connect().error is None
    assert service.log.count("others are refused") == 1


def test_coming_and_going_at_the_limit(site, daemon):
    """One is refused, one leaves, one enters, again and again: that is one trouble."""
    service = daemon("websocket", WEBSOCKET_MAX_CLIENTS=2)
    service.wait_ready()
    held = [site.websocket(), site.websocket()]
    for _ in range(5):
        refused = site.websocket()
        wait_until(lambda: refused.error)
        refused.close()
        held.pop(0).close()
        wait_until(lambda: "1 clients" in service.status)
        held.append(site.websocket())
        assert not held[-1].error
        wait_until(lambda: "2 clients" in service.status)
    for client in held:
        client.close()
    assert len(re.findall("debug: .* others are refused", service.log)) == 4
    assert len(re.findall("(notice|warning): .*(refused|room)", service.log)) == 1


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 1001), (signal.SIGUSR1, 1012)])
def test_stop_says_goodbye(service, connect, number, code):
    client = connect()
    service.process.send_signal(number)
    started = time.monotonic()
    assert service.wait_exit(5) == 0
    assert time.monotonic() - started < 5
    wait_until(lambda: client.error)
    assert client.close_code == code
    assert any(fields.get("STOPPING") == "1" for _, fields in service.notify.messages)


def test_stop_writes_what_was_read(site, daemon, coin):
    service = daemon("websocket")
    service.wait_ready()
    service.wait_log("Persisting 3 partitions")
    site.topic.produce_all([(coin, message(n + 1, n)) for n in range(5000)])
    service.terminate(5)
    written = count(site, coin)
    daemon("websocket")
    wait_count(site, coin, 5000)
    assert written <= 5000


def test_watchdog_is_fed_while_waiting(stack, daemon):
    stack.postgres.stop()
    service = daemon("websocket", WATCHDOG_USEC=1000000)
    service.wait_ready()
    service.wait_status("persister waits for PostgreSQL")
    known = len(service.notify.messages)
    wait_until(lambda: sum("WATCHDOG" in fields for _, fields in
                           service.notify.messages[known:]) >= 3)


def test_stop_while_no_name_server_answers(daemon, silent_dns):
    service = daemon("websocket", POSTGRES_HOST="postgres.example", wrapper=silent_dns.wrapper)
    silent_dns.wait_asked()
    service.terminate()
    assert "without goodbye" not in service.log


def test_what_is_being_written_is_not_persisted(site, service, coin):
    service.wait_log("Persisting 3 partitions")
    with site.db.locked("latest_prices", "share"):
        site.topic.produce(coin, message(1, 1))
        service.wait_status("; 1 messages to persist")
        seen = len(service.notify.messages)
    wait_count(site, coin, 1)
    wait_until(lambda: any("all persisted" in fields.get("STATUS", "")
                           for _, fields in service.notify.messages[seen:]))


def test_hanging_postgres_holds_nothing_up(site, service, connect, coin):
    """The server is there but says nothing any more."""
    service.wait_log("Persisting 3 partitions")
    pid = site.db.value("select pid from pg_stat_activity"
                        " where application_name = 'crypto-pulse-websocket' and state = 'idle'")
    client = connect()
    os.kill(pid, signal.SIGSTOP)
    try:
        site.topic.produce(coin, message(1, 1))
        client.wait_for(lambda u: u["coinId"] == coin, timeout=5)
        service.terminate(5)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert count(site, coin) <= 1


def test_topic_that_is_made_anew(site, daemon, connect, coin):
    topic = site.topic.beside("anew")
    service = daemon("websocket", KAFKA_TOPIC=topic.name)
    service.wait_ready()
    client = connect()
    topic.produce_all([(coin, message(n, n)) for n in range(1, 21)], partition=0)
    wait_count(site, coin, 20)
    topic.delete()
    service.wait_status("Waiting for the Kafka topic")
    topic.create()
    topic.produce_all([(coin, message(n, n)) for n in range(21, 31)], partition=0)
    client.wait_for(lambda u: u["coinId"] == coin and u["price"] == "30")
    wait_count(site, coin, 30)
    service.terminate(5)


def test_topic_that_is_made_anew_meanwhile(site, daemon, coin):
    """It has as many messages as the old one had, so nothing but Kafka's own memory tells."""
    topic = site.topic.beside("anew-meanwhile")
    service = daemon("websocket", KAFKA_TOPIC=topic.name)
    service.wait_ready()
    topic.produce_all([(coin, message(n, n)) for n in range(1, 21)], partition=0)
    wait_count(site, coin, 20)
    wait_until(lambda: topic.committed(site.group, 0) == 20)
    service.terminate(5)
    topic.delete()
    wait_until(lambda: topic.partitions() == 0)
    topic.create()
    topic.produce_all([(coin, message(n, n)) for n in range(21, 51)], partition=0)
    name = site.db.value("select current_database()")
    site.db.rows(f'alter database "{name}" set default_transaction_read_only = on')
    try:
        again = daemon("websocket", KAFKA_TOPIC=topic.name)
        wait_until(lambda: len(re.findall("Persisting", again.log)) >= 4)  # each try fails
    finally:
        site.db.close()
        Database(options="-c default_transaction_read_only=off", **site.connection).rows(
            f'alter database "{name}" reset default_transaction_read_only')
    wait_count(site, coin, 50)
    assert again.log.count("as when it was made anew; reading them from their beginning") == 1


def test_topic_that_is_made_anew_while_kafka_is_slow(site, stack, daemon, coin):
    """Kafka's memory has to be waited for: what stands in PostgreSQL is of the old topic."""
    topic = site.topic.beside("anew-slow")
    service = daemon("websocket", KAFKA_TOPIC=topic.name)
    service.wait_ready()
    topic.produce_all([(coin, message(n, n)) for n in range(1, 21)], partition=0)
    wait_count(site, coin, 20)
    service.terminate(5)
    topic.delete()
    wait_until(lambda: topic.partitions() == 0)
    topic.create()
    topic.produce_all([(coin, message(n, n)) for n in range(21, 51)], partition=0)
    stack.postgres.stop()
    again = daemon("websocket", KAFKA_TOPIC=topic.name)
    wait_until(lambda: topic.members(site.group) == 1)
    with stopped(int((stack.folder / "run/kafka").read_text().split()[0])):
        stack.postgres.start()
        again.wait_status("persister waits for the Kafka consumer group")
    wait_count(site, coin, 50)
    assert again.log.count("cannot be persisted now") == 1  # while PostgreSQL was away


def test_clock_of_this_host_is_days_behind(site, service, connect, coin):
    """Seen from here the prices come from the future. What would be refused would be lost."""
    client = connect()
    site.topic.produce(coin, message(1, 3 * 86_400_000))
    client.wait_for(lambda u: u["coinId"] == coin and u["price"] == "1")
    wait_count(site, coin, 1)
    assert service.running


def test_database_that_can_only_be_read(site, daemon, coin):
    """Every try to write fails: it is told once, and success only when there is one."""
    topic = site.topic.beside("read-only")
    service = daemon("websocket", KAFKA_TOPIC=topic.name)
    service.wait_ready()
    topic.produce(coin, message(1, 1))
    wait_count(site, coin, 1)
    name = site.db.value("select current_database()")
    site.db.rows(f'alter database "{name}" set default_transaction_read_only = on')
    try:
        site.db.rows("select pg_terminate_backend(pid) from pg_stat_activity"
                     " where application_name = 'crypto-pulse-websocket'")
        topic.produce(coin, message(2, 2))
        tries = len(re.findall("debug: Persisting", service.log))
        wait_until(lambda: len(re.findall("debug: Persisting", service.log)) >= tries + 4)
        # The end of the connection is a trouble of its own, unless the other one follows at once.
        assert 1 <= service.log.count("cannot be persisted now") <= 2
        assert "persisted again" not in service.log.rsplit("cannot be persisted now", 1)[1]
        assert stored(site, coin) == ["1"]
    finally:
        site.db.rows(f'alter database "{name}" reset default_transaction_read_only')
    wait_count(site, coin, 2)
    service.wait_log("Prices are persisted again")


def test_slow_line_and_client_that_stalls(site, service, connect, coin):
    """Who takes a little now and then stays, however long it takes; who takes nothing is dropped."""
    fast = connect()
    slow, stalled = socket.socket(), socket.socket()
    for client in (slow, stalled):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", site.websocket_port))
        client.sendall(HANDSHAKE)
    slow.settimeout(5)
    more = f',"name":"{"n" * 100}"'
    site.topic.produce_all([(f"{coin}-{n}", message(n + 1, n, more=more)) for n in range(30000)])
    fast.wait_for(lambda u: u["coinId"] == f"{coin}-29999", 60)
    until = time.monotonic() + 40  # 30 s without any progress is too long
    while time.monotonic() < until:
        assert slow.recv(2048)
        time.sleep(0.5)
    service.wait_log("Dropped 1 clients that took nothing for 30 s")
    assert service.log.count("Client 127.0.0.1 has taken nothing for 30 s, dropping it") == 1
    slow.close()
    stalled.close()


def test_partitions_that_are_added(site, daemon, connect, coin):
    topic = site.topic.beside("wider")
    service = daemon("websocket", KAFKA_TOPIC=topic.name)
    service.wait_ready()
    client = connect()
    topic.widen(5)
    topic.produce(coin, message(1, 1), partition=4)
    client.wait_for(lambda u: u["coinId"] == coin, timeout=60)
    wait_count(site, coin, 1, 60)
