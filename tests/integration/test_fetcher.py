"""The fetcher between a simulated CoinGecko and a real Kafka: what it asks and publishes."""

import decimal
import os
from datetime import datetime, timedelta, timezone

import confluent_kafka.admin
import pytest

from market_client import assert_in_order, query_of, renewed, seconds_between
from stack_clients import wait_until

KEY = "CG-a-key-that-must-not-show"


@pytest.fixture(name="start")
def start_fixture(stack, site, daemon, request):
    """start(VARIABLE=value...): a fetcher with a topic of its own, start.topic."""
    assert stack.kafka.running

    def start(**variables):
        return daemon("fetcher", **{"KAFKA_TOPIC": start.topic, "FETCH_INTERVAL_MS": 100,
                                    "TRACKED_COIN_IDS": "top:20", **variables})

    start.topic = site.name + "-" + "".join(c if c.isalnum() else "-" for c in request.node.name)
    return start


def plain(number):
    text = format(decimal.Decimal(number), "f")
    return text[1:] if text.startswith("-") and decimal.Decimal(number) == 0 else text


def details(coin, currency):
    """The message that a coin of /coins/markets becomes."""
    named = {"symbol": "symbol", "name": "name", "marketCapRank": "market_cap_rank"}
    numbers = {"marketCap": "market_cap", "volume24h": "total_volume", "high24h": "high_24h",
               "low24h": "low_24h", "change24h": "price_change_24h",
               "changePercent24h": "price_change_percentage_24h"}
    return {"price": plain(coin["current_price"]), "currency": currency,
            "timestamp": coin["last_updated"],
            **{ours: coin[theirs] for ours, theirs in named.items() if coin[theirs] is not None},
            **{ours: plain(coin[theirs]) for ours, theirs in numbers.items()
               if coin[theirs] is not None}}


# ---- what it asks ----------------------------------------------------------------------------

def test_ids_in_batches_and_currencies(sim, start, tail):
    market = sim("--coins", 700)
    ids = [coin["id"] for coin in market.get("/api/v3/coins/list")][:600]
    fetcher = start(TRACKED_COIN_IDS=",".join(ids), DEFAULT_CURRENCY="usd,eur")
    got = tail(start.topic)
    got.wait_count(1200)
    rounds = market.wait_calls(20)
    asked = {"usd": [], "eur": []}
    for call in rounds[:rounds.index(rounds[0]) + 20]:
        query = query_of(call)
        assert call["path"] == "/api/v3/coins/markets" and call["method"] == "GET"
        batch = query["ids"].split(",")
        assert 1 <= len(batch) <= 250 == int(query["per_page"])
        if set(batch) - set(asked[query["vs_currency"]]):
            asked[query["vs_currency"]] += batch
    assert sorted(asked["usd"]) == sorted(asked["eur"]) == sorted(ids)
    # One connection, kept alive; compressed answers; no key.
    assert len({call["connection"] for call in rounds}) == 1
    assert all("gzip" in call["acceptEncoding"] for call in rounds)
    assert all(call["key"] is None and call["status"] == "200" for call in rounds)
    assert {(key, u["currency"]) for key, u in got.updates} == \
        {(coin, currency) for coin in ids for currency in ("usd", "eur")}
    assert fetcher.running


def test_the_largest_coins(sim, start, tail):
    market = sim("--coins", 700)
    largest = list(market.markets(page=1)) + list(market.markets(page=2))
    start(TRACKED_COIN_IDS="top:300")
    got = tail(start.topic)
    got.wait_count(300)
    calls = market.wait_calls(4)
    assert {query_of(call)["page"] for call in calls} == {"1", "2"}
    assert all("ids" not in query_of(call) for call in calls)
    assert sorted(key for key, _ in got.updates) == sorted(largest[:300])


def test_every_field_digit_by_digit(sim, start, tail):
    market = sim("--coins", 300)
    coins = market.markets()
    start(TRACKED_COIN_IDS="top:250", DEFAULT_CURRENCY="usd,btc")
    got = tail(start.topic)
    got.wait_count(500)
    in_btc = market.markets(vs_currency="btc")
    for key, update in got.updates:
        currency = update["currency"]
        assert update == details((coins if currency == "usd" else in_btc)[key], currency)
    assert any("e" in coin["current_price"] for coin in in_btc.values())  # it meant something


@pytest.mark.parametrize("plan", ["demo", "pro"])
def test_keys(sim, start, plan):
    market = sim(f"--require-{plan}-key", KEY)
    fetcher = start(COINGECKO_PLAN=plan, COINGECKO_API_KEY=KEY)
    for call in market.wait_calls(2):
        assert (call["key"], call["status"]) == (f"x-cg-{plan}-api-key", "200")
    with open(f"/proc/{fetcher.pid}/cmdline", "rb") as cmdline:
        assert KEY.encode() not in cmdline.read()
    fetcher.terminate()
    assert KEY not in fetcher.log and KEY not in str(fetcher.notify.messages)
    assert not any(KEY in call["query"] for call in market.calls())


def test_a_refused_key_is_told_once_and_not_shown(sim, start):
    market = sim("--require-demo-key", "another")
    fetcher = start(COINGECKO_API_KEY=KEY)
    fetcher.wait_log("CoinGecko refuses us .*API Key Missing.*check coingecko.api_key")
    first, second = market.wait_calls(2)[:2]
    assert first["status"] == second["status"] == "401"
    assert seconds_between(first, second) > 2  # asking again at once would not help
    fetcher.terminate()
    assert fetcher.log.count("CoinGecko refuses us") == 1
    assert KEY not in fetcher.log


# ---- what it publishes -----------------------------------------------------------------------

def test_only_renewed_prices_are_published(sim, start, tail):
    market = sim()
    start()
    got = tail(start.topic)
    got.wait_count(20)
    market.wait_calls(5)
    market.set_prices(bitcoin={"usd": 43210})
    got.wait(lambda tail: "43210" in tail.prices("bitcoin"))
    market.wait_calls(len(market.calls()) + 3)
    market.set_prices(bitcoin={"usd": 43211})
    got.wait(lambda tail: "43211" in tail.prices("bitcoin"))
    # Between them nothing but the first twenty: whatever else came would have come before this.
    assert len(got.messages) == 22
    assert len(got.prices("bitcoin")) == 3
    assert_in_order(got.updates)


def test_the_sources_time_is_kept(sim, start, tail):
    market = sim()
    told = {key: coin["last_updated"] for key, coin in market.markets().items()}
    start()
    got = tail(start.topic)
    got.wait_count(20)
    assert all(update["timestamp"] == told[key] for key, update in got.updates)


def test_a_restart_publishes_what_it_finds_and_goes_on(sim, start, tail):
    market = sim()
    first = start()
    got = tail(start.topic)
    got.wait_count(20)
    first.terminate()
    market.set_prices(bitcoin={"usd": 50001})
    start()
    got.wait(lambda tail: tail.prices("bitcoin")[-1:] == ["50001"])


def test_the_topic_is_created_as_configured(site, sim, start, tail):
    sim()
    start(KAFKA_PARTITIONS=5, KAFKA_RETENTION_MS=123456789).wait_log(f"Created topic {start.topic}")
    got = tail(start.topic)
    got.wait_count(20)
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": site.stack.kafka_broker})
    assert len(admin.list_topics(start.topic, timeout=30).topics[start.topic].partitions) == 5
    resource = confluent_kafka.admin.ConfigResource("topic", start.topic)
    config = list(admin.describe_configs([resource]).values())[0].result(30)
    assert config["retention.ms"].value == "123456789"
    # The key decides the partition, so that one coin's updates stay in order.
    partitions = {}
    for key, _, partition in got.messages:
        partitions.setdefault(key, set()).add(partition)
    assert all(len(p) == 1 for p in partitions.values())
    assert len(set.union(*partitions.values())) > 1


def test_prices_that_change_all_the_time(sim, start, tail):
    """Every renewed price that was seen is published once, in order."""
    sim("--renew-ms", 50, "--coins", 300)
    fetcher = start(TRACKED_COIN_IDS="top:250")
    wait_until(lambda: fetcher.log.count("250 coins in usd") >= 8)
    fetcher.terminate()
    assert "every fetched update was delivered" in fetcher.log
    got = tail(start.topic)
    got.wait_count(renewed(fetcher))
    assert len(got.messages) == renewed(fetcher) > 1500
    assert_in_order(got.updates)


def test_coins_that_come_and_go(sim, start, tail):
    """Null prices and missing coins cost nothing but themselves, and are told once."""
    market = sim()
    market.fault("null", coins=["ethereum"])
    ids = "bitcoin,ethereum,tether,no-such-coin"
    fetcher = start(TRACKED_COIN_IDS=ids)
    got = tail(start.topic)
    got.wait_count(2)
    market.wait_calls(4)
    assert sorted(key for key, _ in got.updates) == ["bitcoin", "tether"]
    fetcher.wait_log("1 of 3 coins .* the first is ethereum: current_price is null")
    fetcher.wait_log("only 3 of 4 coins .*no-such-coin is missing")
    market.no_faults()
    got.wait(lambda tail: tail.prices("ethereum"))
    fetcher.wait_log("All coins of the answers can be used again")
    fetcher.terminate()
    assert fetcher.log.count("have no usable price") == 1
    assert fetcher.log.count("is missing. Is it") == 1


def test_stale_prices_are_not_published_again(sim, start, tail):
    market = sim("--renew-ms", 50)
    fetcher = start()
    got = tail(start.topic)
    got.wait(lambda tail: len(tail.prices("bitcoin")) > 2)
    market.fault("stale", coins=["bitcoin"], age_ms=1000)
    market.wait_poll()
    fetcher_saw = len(got.prices("bitcoin"))
    before = len(got.prices("ethereum"))
    got.wait(lambda tail: len(tail.prices("ethereum")) > before + 3)
    assert len(got.prices("bitcoin")) <= fetcher_saw + 1
    assert_in_order(got.updates)
    assert fetcher.running


# ---- the budget ------------------------------------------------------------------------------

def month():
    return datetime.now(timezone.utc).strftime("%Y-%m")


def seconds_left_in_month():
    now = datetime.now(timezone.utc)
    following = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0,
                                                                  microsecond=0)
    return (following - now).total_seconds()


def test_the_budget_stretches_the_interval(sim, start, tmp_path):
    market = sim()
    start(COINGECKO_MONTHLY_CALLS=int(seconds_left_in_month() / 0.5),
          FETCHER_STATE_DIRECTORY=tmp_path)
    calls = market.wait_calls(4)
    assert seconds_between(calls[0], calls[3]) > 1.2  # not 0.3, as FETCH_INTERVAL_MS has it
    assert (tmp_path / "calls-this-month").read_text() == f"{month()} {len(market.calls())}\n"


def test_the_budget_survives_a_restart_and_ends(sim, start, tmp_path):
    market = sim()
    count = tmp_path / "calls-this-month"
    for expected in (1, 2):
        fetcher = start(COINGECKO_MONTHLY_CALLS=2, FETCHER_STATE_DIRECTORY=tmp_path)
        market.wait_calls(expected)
        wait_until(lambda: "20 coins in usd" in fetcher.log)
        fetcher.terminate()
        assert count.read_text() == f"{month()} {expected}\n"
    fetcher = start(COINGECKO_MONTHLY_CALLS=2, FETCHER_STATE_DIRECTORY=tmp_path)
    fetcher.wait_log("2 of the 2 calls of this month's budget are used")
    fetcher.wait_ready()
    fetcher.terminate()
    assert len(market.calls()) == 2
    assert fetcher.log.count("budget are used") == 1


def test_last_months_count_is_over(sim, start, tmp_path):
    market = sim()
    (tmp_path / "calls-this-month").write_text("2020-01 1000\n")
    start(COINGECKO_MONTHLY_CALLS=10, FETCHER_STATE_DIRECTORY=tmp_path)
    market.wait_calls(1)
    assert (tmp_path / "calls-this-month").read_text() == f"{month()} 1\n"


def test_a_count_that_cannot_be_read_is_told(sim, start, tmp_path):
    market = sim()
    (tmp_path / "calls-this-month").write_text("nonsense")
    fetcher = start(COINGECKO_MONTHLY_CALLS=10, FETCHER_STATE_DIRECTORY=tmp_path)
    fetcher.wait_log("call budget is not known .*counting from 0")
    market.wait_calls(1)


def test_a_count_that_cannot_be_saved_is_told_once(sim, start):
    market = sim()
    fetcher = start(COINGECKO_MONTHLY_CALLS=10 ** 9, FETCHER_STATE_DIRECTORY="/no/such/folder")
    market.wait_calls(3)
    fetcher.terminate()
    assert fetcher.log.count("cannot be saved in /no/such/folder") == 1


# ---- the end ---------------------------------------------------------------------------------

def test_sigterm_in_the_middle_of_a_slow_answer(sim, start):
    market = sim()
    market.fault("latency", latency_ms=30000)
    fetcher = start()
    wait_until(market.calls)
    fetcher.terminate(10)
    assert os.WIFEXITED(fetcher.process.returncode)
