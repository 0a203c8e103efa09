"""The fetcher when CoinGecko answers badly or not at all: nothing stops it, and whatever is good in
an answer is kept."""

import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from market_client import assert_in_order, query_of, seconds_between
from stack import free_ports
from stack_clients import wait_until

FIXTURES = os.environ.get("CRYPTO_PULSE_FIXTURES")
RETRIED = ("500", "502", "503", "504", "object", "html", "empty", "truncated", "cut",
           "malformed", "reset", "status-error", "nested-error")
PAUSED = ("429", "429-plain", "429-html", "code-error")


@pytest.fixture(name="start")
def start_fixture(stack, site, daemon, request):
    """start(VARIABLE=value...): a fetcher with a topic of its own, start.topic."""
    assert stack.kafka.running

    def start(**variables):
        return daemon("fetcher", **{"KAFKA_TOPIC": start.topic, "FETCH_INTERVAL_MS": 100,
                                    "TRACKED_COIN_IDS": "top:20", **variables})

    start.topic = site.name + "-" + "".join(c if c.isalnum() else "-" for c in request.node.name)
    return start


def complaints(fetcher):
    """What it says about the source's answers above the level of debug."""
    lines = [line.split(": ", 1)[1] for line in fetcher.log.splitlines() if "debug: " not in line]
    # The simulator's prices may stand still, which is told, too.
    return [line for line in lines if "CoinGecko" in line and not re.search("newest|renews", line)]


@pytest.fixture(name="pairs")
def pairs_fixture(sim, start, tail):
    """pairs(KINDS, faults...): for each kind a simulator with its fetcher, all at once."""
    def make(kinds, **fault):
        topic, made = start.topic, {}
        for kind, port in zip(kinds, free_ports(len(kinds))):
            market = sim("--renew-ms", 50, port=port)
            market.fault(kind, **fault)
            fetcher = start(COINGECKO_BASE_URL=market.base_url, KAFKA_TOPIC=f"{topic}-{kind}",
                            KAFKA_PARTITIONS=1, FETCH_INTERVAL_MS=200)
            made[kind] = market, fetcher, tail(f"{topic}-{kind}")
        return made
    return make


def check_all(pairs, check):
    """CHECK(kind, market, fetcher, tail) of each at the same time; every failure is told."""
    with ThreadPoolExecutor(len(pairs)) as pool:
        results = {kind: pool.submit(check, kind, *pair) for kind, pair in pairs.items()}
    problems = {kind: result.exception() for kind, result in results.items() if result.exception()}
    assert not problems, "\n".join(f"{kind}: {problem!r}" for kind, problem in problems.items())


def check_topic(tail):
    """Only whole, new prices of coins that there are."""
    updates = list(tail.updates)
    assert_in_order(updates)
    assert all(float(update["price"]) > 0 for _, update in updates)
    assert len({key for key, _ in updates}) == 20


def test_bad_answers_are_asked_again(pairs):
    """The second and the third answer are bad; what is good before and after them arrives."""
    def check(kind, market, fetcher, tail):
        calls = market.wait_calls(5)
        assert [call["fault"] for call in calls[:5]] == [None, kind, kind, None, None]
        # Not at once, and later the second time; but what a kept connection's end may have
        # swallowed is asked once more on a new one.
        if kind != "reset":
            assert seconds_between(calls[1], calls[2]) > 0.45
        assert seconds_between(calls[2], calls[3]) > (0.45 if kind == "reset" else 0.95)
        last_bad = calls[2]["time"]
        tail.wait(lambda t: any(u["timestamp"] > last_bad for _, u in t.updates))
        check_topic(tail)
        fetcher.wait_log("CoinGecko answers again")
        first, second = complaints(fetcher)
        assert first.startswith("warning: CoinGecko gives no usable answer (")
        assert "trying again in" in first
        assert second.startswith("CoinGecko answers again, after")
        assert "<" not in first and len(first) < 500

    check_all(pairs(RETRIED, after=1, count=2), check)


def test_refusals_pause_all_calls(pairs):
    def check(kind, market, fetcher, tail):
        calls = market.wait_calls(4)
        assert [call["fault"] for call in calls[:4]] == [None, kind, None, None]
        assert 2.4 < seconds_between(calls[1], calls[2]) < 15
        tail.wait(lambda t: any(u["timestamp"] > calls[1]["time"] for _, u in t.updates))
        check_topic(tail)
        fetcher.wait_log("no longer limits us|accepts us again")
        first, _ = complaints(fetcher)
        expected = "limits the rate of calls" if "429" in kind else "refuses us"
        assert expected in first and f"HTTP {calls[1]['status']}" in first

    check_all(pairs(PAUSED, after=1, count=1), check)


@pytest.mark.parametrize("seconds", [1, 3])
def test_retry_after_is_honoured_by_every_call(sim, start, seconds):
    market = sim("--renew-ms", 50)
    market.fault("429", after=4, count=1, retry_after=seconds)
    fetcher = start(DEFAULT_CURRENCY="usd,eur")
    calls = market.wait_calls(7)
    assert calls[4]["status"] == "429"
    assert seconds_between(calls[4], calls[5]) >= seconds  # whichever of the two it is
    # What was refused is asked first.
    assert query_of(calls[5])["vs_currency"] == query_of(calls[4])["vs_currency"]
    fetcher.wait_log(f"waiting {seconds}000 ms as it asks")


def test_absurd_retry_after_is_not_waited_for(sim, start):
    market = sim()
    market.fault("429", count=1, retry_after=10 ** 9)
    fetcher = start()
    fetcher.wait_log("waiting 3600000 ms")
    fetcher.wait_status("Waiting for the first answer")


def test_one_bad_call_does_not_hold_up_the_others(sim, start, tail):
    """Nor is its trouble told with every answer of the others."""
    market = sim("--coins", 400, "--renew-ms", 50)
    fetcher = start(TRACKED_COIN_IDS="top:400")
    got = tail(start.topic)
    got.wait_count(400)
    before = len(market.calls())
    market.fault("500", every=2)  # every round meets one of the two pages

    def failed_and_went_on():
        statuses = [call["status"] for call in market.calls()[before:]]
        return statuses.count("500") >= 4 and statuses.count("200") >= 4

    wait_until(failed_and_went_on, what="four failed and four good calls")
    market.no_faults()
    fetcher.wait_log("CoinGecko answers again")
    assert len(complaints(fetcher)) <= 6


class PickyMarket(BaseHTTPRequestHandler):
    """Refuses all prices but those in usd and eur: server.refusal, (status, body)."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        currency = parse_qs(urlsplit(self.path).query)["vs_currency"][0]
        self.server.asked.append(currency)
        status, body = 200, json.dumps([{
            "id": "bitcoin", "symbol": "btc", "name": "Bitcoin", "current_price": 1,
            "last_updated": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}])
        if currency not in ("usd", "eur"):
            status, body = self.server.refusal
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(name="picky")
def picky_fixture():
    with ThreadingHTTPServer(("127.0.0.1", 0), PickyMarket) as server:
        server.asked = []
        server.base_url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("refusal, line", [
    ((400, '{"error":"invalid vs_currency"}'), "warning: CoinGecko gives no prices in foo "
     r"\(HTTP 400: invalid vs_currency\), trying this call alone again in \d+ ms"),
    ((403, "Forbidden"), "error: CoinGecko refuses us .HTTP 403: Forbidden.; check coingecko.api"),
], ids=["400", "403"])
def test_a_refused_call_does_not_starve_the_others(start, picky, refusal, line):
    """foo is asked before eur, again and again."""
    picky.refusal = refusal
    fetcher = start(COINGECKO_BASE_URL=picky.base_url, DEFAULT_CURRENCY="usd,foo,eur",
                    TRACKED_COIN_IDS="bitcoin", FETCH_INTERVAL_MS=500)
    wait_until(lambda: picky.asked.count("foo") > 1 and picky.asked.count("eur") > 1,
               timeout=60, what="eur and foo, each twice")
    assert picky.asked[:3] == ["usd", "foo", "eur"]
    fetcher.wait_log(line)
    fetcher.terminate()
    assert len(complaints(fetcher)) == 1


def test_trouble_of_some_coins_is_told_once(sim, start, tail):
    market = sim("--renew-ms", 50)
    market.fault("null")  # every tenth coin, of both calls
    market.no_faults()
    market.fault("null", every=2, coins=["bitcoin", "ethereum"])
    fetcher = start(DEFAULT_CURRENCY="usd,eur")
    got = tail(start.topic)
    market.wait_calls(12)
    got.wait(lambda t: any(key == "bitcoin" for key, _ in t.updates))
    fetcher.terminate()
    assert fetcher.log.count("have no usable price") <= 2
    assert all(key not in ("null", "") for key, _ in got.updates)


def test_a_slow_source_is_given_up_and_asked_again(sim, start, tail):
    market = sim()
    market.fault("latency", latency_ms=20000, count=2)
    fetcher = start(COINGECKO_TIMEOUT_MS=300)
    fetcher.wait_log("CoinGecko gives no usable answer .*(timed out|[Tt]imeout)")
    tail(start.topic).wait_count(20)
    fetcher.wait_log("CoinGecko answers again")


def test_the_source_goes_away_and_comes_back(sim, start, tail):
    market = sim()
    fetcher = start()
    got = tail(start.topic)
    got.wait_count(20)
    market.process.terminate()
    fetcher.wait_log("CoinGecko gives no usable answer .*(refused|connect)")
    sim().set_prices(bitcoin={"usd": 77777})
    got.wait(lambda t: t.prices("bitcoin")[-1] == "77777")
    assert len(complaints(fetcher)) <= 3


def test_the_source_is_away_from_the_beginning(sim, start, tail):
    fetcher = start()
    fetcher.wait_ready()
    fetcher.wait_status("Waiting for the first answer")
    sim()
    tail(start.topic).wait_count(20)


def test_a_name_that_cannot_be_resolved(start):
    fetcher = start(COINGECKO_BASE_URL="http://no-such-host.invalid/api/v3")
    fetcher.wait_log("no usable answer .*no-such-host.invalid")


def test_a_body_without_end_is_cut_off(sim, start, tail):
    market = sim()
    market.fault("answer", count=1, body="[" + " " * 60000)
    market.fault("answer", count=1, body="[" * 60000)
    start()
    tail(start.topic).wait_count(20)


# ---- recorded bodies -------------------------------------------------------------------------

def bodies(prefix="", but=None):
    paths = sorted(Path(FIXTURES).glob(f"{prefix}*.json")) if FIXTURES else []
    return [path for path in paths if not but or not path.name.startswith(but)]


recorded = pytest.mark.skipif(not bodies(),
                              reason="CRYPTO_PULSE_FIXTURES names no folder of bodies")


def test_clock_that_is_behind(sim, start, tail, tmp_path):
    """This host's clock, against CoinGecko's: as after a jump back by two hours. Nothing is lost."""
    def write(name, price, at):
        (tmp_path / name).write_text(json.dumps(
            [{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin", "current_price": price,
              "last_updated": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}]))

    now = datetime.now(timezone.utc)
    write("markets_1.json", 1, now + timedelta(hours=2))
    write("markets_2.json", 2, now + timedelta(hours=2, seconds=1))
    market = sim("--replay", tmp_path)
    fetcher = start(TRACKED_COIN_IDS="bitcoin")
    market.wait_calls(2)
    got = tail(start.topic)
    got.wait_count(2)
    assert [update["price"] for _, update in got.updates] == ["1", "2"]
    line = fetcher.wait_log(r"warning: CoinGecko's newest price is (\d+) s ahead of this host's clock")
    assert 7190 <= int(line[1]) <= 7201
    fetcher.wait_status("This host's clock is behind CoinGecko's; 1 prices tracked")


def replay_of(tmp_path, paths):
    """A folder in which they are answers of /coins/markets, in this order."""
    folder = tmp_path / "replay"
    folder.mkdir()
    for i, path in enumerate(paths):
        (folder / f"markets_{i:03}.json").symlink_to(path)
    return folder


def error_entries():
    path = Path(FIXTURES or "") / "errors_quoted.json"
    return json.loads(path.read_bytes()) if FIXTURES and path.exists() else []


@recorded
def test_bodies_of_other_endpoints_stop_nothing(sim, start, tail, tmp_path):
    """Each is the answer to the call of one currency; none gives a price."""
    paths = bodies(but="markets_")
    market = sim("--replay", replay_of(tmp_path, paths))
    fetcher = start(DEFAULT_CURRENCY=",".join(f"c{i}" for i in range(len(paths))),
                    FETCH_INTERVAL_MS=600000)
    calls = market.wait_calls(len(paths))
    assert [query_of(call)["vs_currency"] for call in calls[:len(paths)]] == \
        [f"c{i}" for i in range(len(paths))]
    wait_until(lambda: "CoinGecko gives no usable answer" in fetcher.log)
    got = tail(start.topic)
    fetcher.terminate()
    assert got.messages == []
    # Told once, not for each of them.
    assert fetcher.log.count("CoinGecko gives no usable answer") == 1


@recorded
def test_recorded_error_bodies_stop_nothing(sim, start, tail):
    """As the body of a 200: an error object where an array belongs."""
    entries = error_entries()
    market = sim()
    for entry in entries:
        market.fault("answer", body=entry["body"], status=200, count=1)
    fetcher = start(DEFAULT_CURRENCY=",".join(["usd", "eur", "btc", "eth", "gbp", "jpy"]))
    market.wait_calls(len(entries) + 6, timeout=60)
    got = tail(start.topic)
    got.wait_count(6 * 20)
    fetcher.wait_log("CoinGecko answers again")
    assert len(got.messages) == 6 * 20


def test_no_name_server_answers(start, silent_dns):
    """Looking the source up takes longer than a call may, and than the end."""
    fetcher = start(COINGECKO_BASE_URL="http://coingecko.example/api/v3",
                    COINGECKO_TIMEOUT_MS=1000, wrapper=silent_dns.wrapper)
    silent_dns.wait_asked()
    fetcher.wait_log("CoinGecko .*timed out", 10)
    silent_dns.wait_asked()
    fetcher.terminate(10)
