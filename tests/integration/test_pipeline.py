"""All of it together: from CoinGecko's answer to the stream and the API, digit by digit."""

import decimal
import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from api_client import ask
from market_client import exactly
from stack_clients import wait_until

FIXTURES = os.environ.get("CRYPTO_PULSE_FIXTURES")
BODIES = sorted(Path(FIXTURES).glob("markets_*.json")) if FIXTURES else []

NUMBERS = {"marketCap": "market_cap", "volume24h": "total_volume", "high24h": "high_24h",
           "low24h": "low_24h", "change24h": "price_change_24h",
           "changePercent24h": "price_change_percentage_24h"}


@pytest.fixture(name="connect")
def connect_fixture(site):
    clients = []

    def connect():
        clients.append(site.websocket())
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture(name="site", scope="module")
def site_fixture(site):
    site.topic.create(partitions=3)
    return site


def start_all(daemon, **variables):
    daemon("websocket").wait_ready()
    daemon("api", CACHE_TTL_MS=100, FRONTEND_PORT=0, **variables).wait_ready()
    return daemon("fetcher", FETCH_INTERVAL_MS=100, **variables)


def plain(text):
    """The same digits without an exponent."""
    return format(decimal.Decimal(text), "f")


def timestamp(text):
    updated = datetime.fromisoformat(text).astimezone(timezone.utc)
    return updated.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def expected_prices(body, currency):
    """What /cryptos is to say of each coin in this currency, by a reading of our own."""
    coins = [coin for coin in exactly(body)
             if coin["current_price"] is not None and coin["last_updated"] is not None
             and decimal.Decimal(coin["current_price"]) > 0]
    return {coin["id"]: {
        "currency": currency, "price": plain(coin["current_price"]),
        "timestamp": timestamp(coin["last_updated"]),
        **{ours: plain(coin[theirs]) for ours, theirs in NUMBERS.items()
           if coin.get(theirs) is not None}} for coin in coins}


def same_number(ours, theirs):
    """Digit by digit, but that there is no minus before a zero."""
    return ours == theirs or (decimal.Decimal(theirs) == 0 and ours == theirs.lstrip("-"))


def assert_same(got, expected, where):
    assert set(got) == set(expected), where
    for name, value in expected.items():
        if name in ("currency", "timestamp"):
            assert got[name] == value, (where, name)
        else:
            assert same_number(got[name], value), (where, name, got[name], value)


@pytest.mark.skipif(not BODIES, reason="CRYPTO_PULSE_FIXTURES names no folder of bodies")
def test_every_number_of_the_recorded_bodies(site, daemon, sim, connect, tmp_path):
    """Body i is the answer to the call of currency "ri", so that none hides another."""
    folder = tmp_path / "replay"
    folder.mkdir()
    currencies = [f"r{i}" for i in range(len(BODIES))]
    for i, path in enumerate(BODIES):
        (folder / f"markets_{i:03}.json").symlink_to(path)
    expected = {currency: expected_prices(path.read_bytes(), currency)
                for currency, path in zip(currencies, BODIES)}
    count = sum(map(len, expected.values()))
    assert count > 1000
    market = sim("--replay", folder)
    variables = {"DEFAULT_CURRENCY": ",".join(currencies), "TRACKED_COIN_IDS": "top:250"}
    daemon("websocket", **variables).wait_ready()
    stream = connect()
    daemon("fetcher", FETCH_INTERVAL_MS=600000, **variables)
    daemon("api", FRONTEND_PORT=0, CACHE_TTL_MS=0, **variables).wait_ready()
    market.wait_calls(len(BODIES))
    wait_until(lambda: site.db.value("select count(*) from prices") >= count, 60, "every price")
    wait_until(lambda: len(stream.messages) >= count)

    tracked = ask(site.api_port, "/api/v1/cryptos").json["trackedCoins"]
    listed = {coin["id"]: coin for coin in tracked}
    live = {(update["coinId"], update["currency"]): update for update in stream.updates}
    for currency, coins in expected.items():
        for coin_id, numbers in coins.items():
            where = coin_id, currency
            (price,) = [p for p in listed[coin_id]["prices"] if p["currency"] == currency]
            assert_same(price, numbers, where)
            details = {k: v for k, v in live[where].items()
                       if k not in ("coinId", "symbol", "name", "marketCapRank")}
            assert_same(details, numbers, where)
    assert site.db.value("select count(*) from prices") == count == len(live)
    # The history has them, too; each coin once for each body that it is in.
    for coin_id in ("bitcoin", "ethereum"):
        for currency in currencies:
            if coin_id not in expected[currency]:
                continue
            numbers = expected[currency][coin_id]
            path = f"/api/v1/cryptos/{coin_id}/history?currency={currency}"
            point = {name: numbers[name] for name in ("price", "currency", "timestamp")}
            assert ask(site.api_port, path).json["priceHistory"] == [point]
    written = "".join(path.read_text() for path in BODIES)
    assert "e-" in written and "e+" in written  # there was something to be plain about


def test_a_price_goes_all_the_way(site, daemon, sim, connect):
    market = sim("--coins", 30)
    start_all(daemon, TRACKED_COIN_IDS="top:30", DEFAULT_CURRENCY="usd,eur").wait_ready()
    stream = connect()
    stream.wait_for(lambda u: u["coinId"] == "bitcoin" and u["currency"] == "eur")
    for price in (43210, 43211, 43212):
        market.set_prices(bitcoin={"usd": price})
        update = stream.wait_for(lambda u: u["coinId"] == "bitcoin" and u["price"] == str(price))
        assert update["currency"] == "usd"
        assert update["timestamp"] == market.markets(ids="bitcoin")["bitcoin"]["last_updated"]
    path = "/api/v1/cryptos/bitcoin/history?currency=usd"

    def history():
        answer = ask(site.api_port, path)
        return answer.status == 200 and [p["price"] for p in answer.json["priceHistory"]][-3:]

    wait_until(lambda: history() == ["43210", "43211", "43212"])
    listed = ask(site.api_port, "/api/v1/cryptos").json["trackedCoins"]
    assert listed[0]["id"] == "bitcoin"
    # Whoever comes now sees the newest state of all at once.
    late = connect()
    newest = late.wait_for(lambda u: (u["coinId"], u["currency"]) == ("bitcoin", "usd"))
    assert newest["price"] == "43212"


def test_nothing_is_lost_while_the_servers_restart(stack, site, daemon, sim, connect):
    """Each in turn, while prices go on; in the end every one of them is in the history."""
    market = sim("--coins", 30)
    fetcher = start_all(daemon, TRACKED_COIN_IDS="bitcoin,ethereum")
    stream = connect()
    sent = []

    def tick(times):
        for _ in range(times):
            sent.append(str(70000 + len(sent)))
            market.set_prices(ethereum={"usd": int(sent[-1])})
            market.wait_poll()

    tick(2)
    for service in (stack.postgres, stack.redis, stack.kafka):
        service.stop()
        tick(3)
        service.start()
        tick(1)

    def history():
        answer = ask(site.api_port, "/api/v1/cryptos/ethereum/history?currency=usd")
        return [p["price"] for p in answer.json["priceHistory"]][-len(sent):]

    wait_until(lambda: history() == sent, 60, "every price in the history")
    stream.wait_for(lambda u: u["price"] == sent[-1])
    assert fetcher.running
    assert json.loads(ask(site.api_port, "/api/v1/health").body)["status"] == "UP"
