"""crypto-pulse-maintenance: gaps of the history are found, and filled through Kafka and the
persister with the very digits of the source; and what happens when something is amiss."""

import calendar
import re
import time

import pytest

from stack_clients import wait_until

HOUR = 3600
FAST = {"REPAIR_CALL_INTERVAL_MS": 0, "REPAIR_MAX_RUN_MS": 60000}


class Past:
    """The history in the database, as a fetcher that had its breaks would have left it."""

    def __init__(self, db):
        self.db = db
        self.now = time.time()

    def add(self, coin_id, *spells, currency="usd", step=60):
        """Prices every STEP seconds; SPELLS: (from, to) in seconds before now."""
        self.db.rows("insert into coins (id) values (%s) on conflict do nothing", coin_id)
        self.db.rows("insert into currencies (code) values (%s) on conflict do nothing", currency)
        for begins, ends in spells:
            for name in ("begins", "ends"):
                self.db.rows("select ensure_prices_partition(to_timestamp(%s))",
                             self.now - locals()[name])
            self.db.rows(
                "insert into prices (coin_no, currency_no, ts, price)"
                " select coin_no, currency_no, date_trunc('milliseconds', at), 1 from coins,"
                " currencies, generate_series(to_timestamp(%s), to_timestamp(%s),"
                "  %s * interval '1 s') as at where id = %s and code = %s",
                self.now - begins, self.now - ends, step, coin_id, currency)
        self.db.rows(
            "insert into latest_prices (coin_no, currency_no, ts, price) select distinct on"
            " (coin_no, currency_no) coin_no, currency_no, ts, price from prices"
            " order by coin_no, currency_no, ts desc on conflict (coin_no, currency_no) do"
            " update set ts = excluded.ts")

    def count(self):
        return self.db.value("select count(*) from prices")

    def filled(self, coin_id, currency="usd"):
        """What was added: {ms: (price, market cap, volume)}, numbers as text."""
        rows = self.db.rows(
            "select (extract(epoch from ts) * 1000)::bigint, price::text, market_cap::text,"
            " volume_24h::text from prices join coins using (coin_no) join currencies"
            " using (currency_no) where id = %s and code = %s and market_cap is not null"
            " order by ts", coin_id, currency)
        return {row[0]: row[1:] for row in rows}


@pytest.fixture(name="past")
def past_fixture(site):
    site.db.rows("truncate prices, latest_prices, gap_repairs, coins, currencies")
    return Past(site.db)


@pytest.fixture(name="market")
def market_fixture(sim):
    return sim("--coins", 20, "--seed", 7, "--renew-ms", 60000)


@pytest.fixture(name="persister")
def persister_fixture(daemon):
    """Running, so that what maintenance publishes reaches the database."""
    websocket = daemon("websocket")
    websocket.wait_ready()
    return websocket


@pytest.fixture(name="maintain")
def maintain_fixture(daemon):
    """maintain(VARIABLE=value...): one run to its end; returns the daemon with its status."""
    def run(status=0, **variables):
        one = daemon("maintenance", **{**FAST, **variables})
        assert one.wait_exit(60) == status, one.log
        return one
    return run


def chart_calls(market):
    return [call for call in market.calls() if "/market_chart/range" in call["path"]]


def source_points(market, coin_id, begins, ends, currency="usd"):
    """What the simulator says for the time strictly between the two, in seconds."""
    now = int(time.time())
    chart = market.get(f"/api/v3/coins/{coin_id}/market_chart/range", vs_currency=currency,
                       **{"from": now - 24 * HOUR + 60, "to": now})
    caps, volumes = dict(chart["market_caps"]), dict(chart["total_volumes"])
    return {int(at): (price, caps[at], volumes[at]) for at, price in chart["prices"]
            if begins * 1000 < int(at) < ends * 1000}


def events(one, what):
    return [line for line in one.log.splitlines() if what in line]


# ---- filling ---------------------------------------------------------------------------------

def test_gap_is_filled(site, past, market, daemon, maintain):
    """Two coins, one of them in two currencies, one without a gap."""
    past.add("bitcoin", (5 * HOUR, 3 * HOUR), (2 * HOUR, 0))
    past.add("bitcoin", (5 * HOUR, 3 * HOUR), (2 * HOUR, 0), currency="eur")
    past.add("ethereum", (6 * HOUR, 4 * HOUR), (3.5 * HOUR, 1.5 * HOUR), (HOUR, 0))
    past.add("solana", (6 * HOUR, 0))
    before = past.count()
    daemon("websocket").wait_ready()
    client = site.websocket()
    wait_until(lambda: len(client.messages) == 4, what="the latest of each")

    one = maintain()

    expected = {
        ("bitcoin", "usd"): source_points(market, "bitcoin", past.now - 3 * HOUR,
                                          past.now - 2 * HOUR),
        ("bitcoin", "eur"): source_points(market, "bitcoin", past.now - 3 * HOUR,
                                          past.now - 2 * HOUR, "eur"),
        ("ethereum", "usd"): {
            **source_points(market, "ethereum", past.now - 4 * HOUR, past.now - 3.5 * HOUR),
            **source_points(market, "ethereum", past.now - 1.5 * HOUR, past.now - HOUR)},
        ("solana", "usd"): {}}
    n = sum(map(len, expected.values()))
    assert n >= 33
    wait_until(lambda: past.count() == before + n, what="every price in the database")
    for (coin_id, currency), points in expected.items():
        assert past.filled(coin_id, currency) == points
    assert [call["path"].split("/coins/")[1].split("/")[0] for call in chart_calls(market)] \
        == ["bitcoin", "bitcoin", "ethereum"]
    (found,) = events(one, "has 4 gaps")
    assert "3 pairs" in found and "bitcoin in eur" in found
    assert events(one, f"{n} prices fill 4 of 4 gaps; 3 calls were made.")
    assert len(client.messages) == 4  # nothing that is older than the latest is broadcast
    client.close()

    calls = len(chart_calls(market))
    again = maintain()
    assert events(again, "has no gap to fill")
    assert len(chart_calls(market)) == calls
    assert past.count() == before + n


def test_open_gap_and_the_last_hours(past, market, persister, maintain):
    """The fetcher stopped two hours ago; and the gap that begins before the window."""
    past.add("bitcoin", (40 * HOUR, 30 * HOUR), (3 * HOUR, 2 * HOUR))
    before = past.count()
    one = maintain()
    points = source_points(market, "bitcoin", past.now - 24 * HOUR + 120, past.now - 3 * HOUR)
    late = source_points(market, "bitcoin", past.now - 2 * HOUR, past.now - 300)
    wait_until(lambda: past.count() >= before + len(points) + len(late))
    filled = past.filled("bitcoin")
    assert {**points, **late}.items() <= filled.items()
    assert len(filled) - len(points) - len(late) <= 2  # at both ends, while the time goes on
    assert len(late) >= 22 and max(filled) <= (time.time() - 290) * 1000
    assert events(one, "has 2 gaps")
    assert len(chart_calls(market)) == 1
    assert persister.running


def test_no_gap(past, market, maintain):
    """What was before the first price, a coin that is rarely renewed, one that is tracked no
    longer, and spells too short: no gaps. The partitions of two months are there."""
    past.add("bitcoin", (2 * HOUR, 0))
    past.add("cardano", (23 * HOUR, 0), step=1500)
    past.add("dogecoin", (20 * HOUR, 10 * HOUR))
    past.add("solana", (5 * HOUR, 2 * HOUR), (2 * HOUR - 800, 700))
    past.db.rows("drop table if exists " + past.db.value(
        "select ensure_prices_partition(now() + interval '1 month')"))
    one = maintain()
    assert events(one, "has no gap to fill")
    assert past.db.value("select to_regclass('prices_' || to_char(date_trunc('month', now()"
                         " at time zone 'UTC') + interval '1 month', 'YYYY_MM')) is not null")
    assert chart_calls(market) == []


def test_configured_coin_is_looked_after(past, market, persister, maintain):
    """It is not among those that were renewed last, but it is in the configuration."""
    past.add("bitcoin", (2 * HOUR, 0))
    past.add("dogecoin", (20 * HOUR, 10 * HOUR))
    assert events(maintain(TRACKED_COIN_IDS="top:10,dogecoin"), "has 1 gaps")
    wait_until(lambda: len(past.filled("dogecoin")) > 100)
    assert len(chart_calls(market)) == 1
    assert persister.running


def test_not_looked_for(past, market, maintain):
    past.add("bitcoin", (5 * HOUR, 3 * HOUR), (HOUR, 0))
    assert maintain(REPAIR_WINDOW_MS=0).log == ""
    assert chart_calls(market) == []


# ---- the source ------------------------------------------------------------------------------

def test_unknown_to_the_source(past, market, maintain):
    """Asked for by three runs, then no more; and again when the gap has closed."""
    past.add("bitcoin", (HOUR, 0))
    past.add("gone-coin", (3 * HOUR, 0.5 * HOUR))
    for _ in range(3):
        assert events(maintain(), "CoinGecko has no prices for the gaps")
    assert events(maintain(), "has no gap to fill")
    assert len(chart_calls(market)) == 3
    past.add("gone-coin", (1, 0))
    maintain()
    assert len(chart_calls(market)) == 4
    assert past.db.rows("select still_open, tries, points from gap_repairs order by 1") == \
        [(False, 1, 0), (True, 3, 0)]


def test_rate_limit(past, market, persister, maintain):
    past.add("bitcoin", (5 * HOUR, 3 * HOUR), (HOUR, 0))
    market.fault("429", path="/coins/", retry_after=2, count=1)
    began = time.monotonic()
    one = maintain()
    assert time.monotonic() - began >= 2
    assert events(one, "limits the rate") and events(one, "prices fill 1 of 1 gaps; 2 calls")
    wait_until(lambda: len(past.filled("bitcoin")) >= 23)
    assert persister.running


def test_rate_limit_for_long(past, market, maintain):
    past.add("bitcoin", (5 * HOUR, 3 * HOUR), (HOUR, 0))
    market.fault("429", path="/coins/", retry_after=3600)
    one = maintain()
    assert events(one, "limits the rate")
    assert events(one, "1 of 1 pairs of coin and currency are left")
    assert len(chart_calls(market)) == 1
    assert past.db.rows("select * from gap_repairs") == []


@pytest.mark.parametrize("fault, line", [
    ("500", "No prices for the gaps of bitcoin in usd (HTTP 500: Internal Server Error)"),
    ("object", "This endpoint is temporarily"), ("reset", "No prices for the gaps"),
    ("malformed", "No prices for the gaps")])
def test_bad_answer_costs_its_coin(past, market, persister, maintain, fault, line):
    past.add("bitcoin", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    past.add("ethereum", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    market.fault(fault, path="/coins/bitcoin")
    one = maintain()
    assert events(one, line)
    assert events(one, "fill 1 of 2 gaps; 2 calls") and events(one, "1 of 2 pairs")
    wait_until(lambda: len(past.filled("ethereum")) >= 11)
    market.no_faults()
    assert events(maintain(), "fill 1 of 1 gaps; 1 calls")
    wait_until(lambda: len(past.filled("bitcoin")) >= 11)
    assert persister.running


def test_key_refused(past, market, maintain):
    past.add("bitcoin", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    past.add("ethereum", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    market.fault("code-error", path="/coins/")
    one = maintain(status=1)
    assert events(one, "CoinGecko refuses us (HTTP 400: If you are using Pro")
    assert len(chart_calls(market)) == 1


def test_refused_pair_does_not_end_the_run(past, market, persister, maintain):
    """It has had its answer; nor does the next run begin with it for ever."""
    past.add("bitcoin", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    past.add("ethereum", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    market.fault("answer", path="/coins/bitcoin", status=400,
                 body='{"error":"invalid vs_currency"}')
    one = maintain()
    assert events(one, "no prices of bitcoin in usd (HTTP 400: invalid vs_currency)")
    assert events(one, "fill 1 of 2 gaps; 2 calls") and "api_key" not in one.log
    wait_until(lambda: len(past.filled("ethereum")) >= 11)
    maintain()
    maintain()
    assert events(maintain(), "has no gap to fill")
    assert persister.running


# ---- the budget ------------------------------------------------------------------------------

def test_budget(past, market, persister, maintain, tmp_path):
    """Shared with the fetcher, which keeps the last tenth."""
    month = time.strftime("%Y-%m", time.gmtime())
    count = tmp_path / "calls-this-month"
    count.write_text(f"{month} 8999998\n")
    for coin_id in ("bitcoin", "ethereum", "solana"):
        past.add(coin_id, (3 * HOUR, 2 * HOUR), (HOUR, 0))
    one = maintain(COINGECKO_MONTHLY_CALLS=10 ** 7, FETCHER_STATE_DIRECTORY=tmp_path)
    assert count.read_text() == f"{month} 9000000\n"
    assert len(chart_calls(market)) == 2
    assert events(one, "left to the fetcher") and events(one, "1 of 3 pairs")
    wait_until(lambda: past.filled("bitcoin") and past.filled("ethereum"))
    assert persister.running


def stretched_to(minutes, tmp_path):
    """Options with which the budget makes this the interval of a round: one of 2560 calls, so that
    it does whatever the time of the month is."""
    now = time.gmtime()
    following = calendar.timegm((now.tm_year + now.tm_mon // 12, now.tm_mon % 12 + 1, 1, 0, 0, 0))
    currencies = ",".join(["usd", *(f"c{i}" for i in range(63))])
    return {"COINGECKO_MONTHLY_CALLS": int((following - time.time()) * 2560 / (minutes * 60)),
            "FETCHER_STATE_DIRECTORY": tmp_path,
            "TRACKED_COIN_IDS": "top:10000", "DEFAULT_CURRENCY": currencies}


@pytest.mark.parametrize("minutes, hours", [(180, 24), (43, 3), (180, 6)])
def test_slowed_down_by_the_budget(past, market, maintain, tmp_path, minutes, hours):
    """Nothing is missing, however few prices tell what is usual."""
    past.add("bitcoin", (hours * HOUR, 0), step=minutes * 60)
    one = maintain(**stretched_to(minutes, tmp_path))
    assert events(one, "has no gap to fill")
    assert chart_calls(market) == []


@pytest.mark.parametrize("minutes, budget", [(43, True), (25, False)],
                         ids=["budget", "rarely renewed"])
def test_filled_gap_makes_no_others(past, market, persister, maintain, tmp_path, minutes, budget):
    """After it most prices are 5 minutes apart; those between the others are no gaps."""
    past.add("bitcoin", (24 * HOUR, 14 * HOUR), (4 * HOUR, 0), step=minutes * 60)
    options = stretched_to(minutes, tmp_path) if budget else {}
    assert events(maintain(**options), "fill 1 of 1 gaps; 1 calls")
    wait_until(lambda: len(past.filled("bitcoin")) > 100)
    assert events(maintain(**options), "has no gap to fill")
    assert len(chart_calls(market)) == 1
    assert persister.running


# ---- servers ---------------------------------------------------------------------------------

def one_error(one):
    (line,) = [line for line in one.log.splitlines() if "librdkafka" not in line
               and not re.search("(has . gaps)", line)]
    return line


def test_no_database(stack, past, market, maintain):
    past.add("bitcoin", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    stack.postgres.stop()
    assert "PostgreSQL at 127.0.0.1 port" in one_error(maintain(status=1))
    assert chart_calls(market) == []


def test_no_kafka(stack, past, market, maintain):
    past.add("bitcoin", (3 * HOUR, 2 * HOUR), (HOUR, 0))
    stack.kafka.stop()
    assert "Kafka at 127.0.0.1" in one_error(maintain(status=1))
    assert chart_calls(market) == []


def test_prices_wait_in_kafka(site, past, market, daemon, maintain):
    """The websocket service was stopped, not the fetcher: there is nothing to ask for."""
    past.add("bitcoin", (3 * HOUR, HOUR))
    site.topic.produce_all([("bitcoin", {"price": n, "currency": "usd", "timestamp": time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime(past.now - HOUR + 60 * n))}) for n in range(1, 60)])
    one = maintain(status=1)
    assert events(one, "59 prices wait in Kafka for crypto-pulse-websocket")
    late = daemon("maintenance", **FAST)
    daemon("websocket")
    assert late.wait_exit(60) == 0
    assert events(late, "has no gap to fill") or events(late, "was still on its way")
    assert chart_calls(market) == []


def test_stop(past, market, persister, daemon, maintain):
    """SIGTERM while it waits for its turn: at once, and the next run goes on."""
    for coin_id in ("bitcoin", "ethereum"):
        past.add(coin_id, (3 * HOUR, 2 * HOUR), (HOUR, 0))
    one = daemon("maintenance", **{**FAST, "REPAIR_CALL_INTERVAL_MS": 50000})
    one.wait_status("ethereum in usd, 2 of 2")
    began = time.monotonic()
    one.terminate()
    assert time.monotonic() - began < 2
    assert events(one, "Stopped by a signal")
    assert events(maintain(), "fill 1 of 1 gaps; 1 calls")
    assert len(chart_calls(market)) == 2
    wait_until(lambda: len(past.filled("ethereum")) >= 11)
    assert persister.running
