"""The REST API as its users see it: routes, bodies, errors, methods, headers."""

import http.client
import json

import pytest

from api_client import add_coin, add_price, ask, assert_problem, read_answer, send
from stack import free_ports
from stack_clients import wait_until
from stack_daemon import Daemon

BITCOIN = "/api/v1/cryptos/bitcoin/history"
# Digits as they must come out: none lost, none added, plain notation.
EXACT = {
    "exact-1": ("1.223e-09", "0.000000001223"),
    "exact-2": ("20000546.0", "20000546.0"),
    "exact-3": ("123456789.123456789", "123456789.123456789"),
    "exact-4": ("0.10", "0.10"),
    "exact-5": ("1.97e+37", "19700000000000000000000000000000000000"),
    "exact-6": ("9007199254740993", "9007199254740993"),  # no double can hold it
    "exact-7": ("1", "1"),
}
DETAILS = {"market_cap": "845678901234.50", "volume_24h": "0", "high_24h": "43999.990",
           "low_24h": "42000", "change_24h": "-12.3400", "change_percent_24h": "-0.00001"}
JSON_DETAILS = {"marketCap": "845678901234.50", "volume24h": "0", "high24h": "43999.990",
                "low24h": "42000", "change24h": "-12.3400", "changePercent24h": "-0.00001"}
ODD_IDS = {"1move token": "1move%20token", "boringdao-[bold]": "boringdao-%5Bbold%5D",
           "a+b": "a%2Bb", "q?r#s": "q%3Fr%23s", "under_score~1.0": "under_score~1.0",
           "history": "history", "x&y=z": "x%26y=z", "0-.-0": "0-.-0", "{curly}": "%7Bcurly%7D",
           "x" * 127: "x" * 127}


@pytest.fixture(scope="module", autouse=True, name="rows")
def rows_fixture(site):
    """What the database holds."""
    add_coin(site.db, "bitcoin", "btc", 'Bit"coin\\ \u20bf\n', 1)
    for i in range(150):
        add_price(site.db, "bitcoin", f"{43000 + i}.50",
                  f"2026-11-20T{i // 60:02}:{i % 60:02}:07.{i:03}Z")
    add_price(site.db, "bitcoin", "43210.12", "2026-11-20T10:00:00Z", **DETAILS)
    site.db.rows("update latest_prices set market_cap = 845678901234.50, volume_24h = 0,"
                 " high_24h = 43999.990, low_24h = 42000, change_24h = -12.3400,"
                 " change_percent_24h = -0.00001")
    add_price(site.db, "bitcoin", "39000", "2026-10-01T00:00:00.001Z", currency="eur")
    add_coin(site.db, "nameless")
    add_price(site.db, "nameless", "5", "2026-11-20T00:00:00Z")
    add_coin(site.db, "ethereum", "eth", "Ethereum", 2)
    add_price(site.db, "ethereum", "2500", "2026-11-20T00:00:00.120Z")
    add_coin(site.db, "unpriced", "upr", "Unpriced", 3)
    add_coin(site.db, "delisted", "old", "Delisted", 1)
    add_price(site.db, "delisted", "4", "2026-11-19T10:00:00Z")
    add_coin(site.db, "unknown-and-delisted")
    add_price(site.db, "unknown-and-delisted", "4", "2026-11-19T10:00:00Z")
    for coin_id, (written, _) in EXACT.items():
        add_coin(site.db, coin_id, rank=1000)
        add_price(site.db, coin_id, written, "2026-11-20T00:00:00Z", market_cap=written)
    for coin_id in ODD_IDS:
        add_coin(site.db, coin_id)
        add_price(site.db, coin_id, "7.70", "2026-11-20T00:00:00Z")


@pytest.fixture(scope="module", name="shared")
def shared_fixture(site, rows, tmp_path_factory):
    """One api for all tests that only read; on a port of its own, .port."""
    (port,) = free_ports(1)
    one = Daemon("api", tmp_path_factory.mktemp("api"),
                 {**site.environment, "API_PORT": port, "FRONTEND_PORT": 0,
                  "DEFAULT_CURRENCY": "usd,eur", "CACHE_TTL_MS": 600000}, ("--config", "/dev/null"))
    one.port = port
    # Redis is connected before its state is told.
    one.wait_status("cache up")
    assert rows is None
    yield one
    one.close()


@pytest.fixture(name="api")
def api_fixture(site, shared):
    """It is the one that has answered the tests before, with an empty cache."""
    site.redis.flushall()
    assert shared.running
    return shared


@pytest.fixture(name="get")
def get_fixture(api):
    """get(TARGET, ...): an answer of the api."""
    return lambda target, *more, **options: ask(api.port, target, *more, **options)


# ---- bodies ----------------------------------------------------------------------------------

def test_health(get):
    answer = get("/api/v1/health")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    version = answer.json.pop("version")
    assert answer.json == {"status": "UP", "database": "UP", "cache": "UP", "version": version}
    assert version.count(".") == 2


def test_cryptos(get):
    answer = get("/api/v1/cryptos")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json
    assert list(body) == ["trackedCoins", "count"]
    coins = body["trackedCoins"]
    assert body["count"] == str(len(coins)) == str(5 + len(EXACT) + len(ODD_IDS))
    assert coins[0] == {
        "id": "bitcoin", "symbol": "btc", "name": 'Bit"coin\\ \u20bf\n', "marketCapRank": "1",
        "prices": [
            {"currency": "usd", "price": "43210.12", "timestamp": "2026-11-20T10:00:00.000Z",
             **JSON_DETAILS},
            {"currency": "eur", "price": "39000", "timestamp": "2026-10-01T00:00:00.001Z"}]}
    by_id = {coin["id"]: coin for coin in coins}
    assert by_id["nameless"] == {
        "id": "nameless", "symbol": None, "name": None, "marketCapRank": None,
        "prices": [{"currency": "usd", "price": "5", "timestamp": "2026-11-20T00:00:00.000Z"}]}
    assert by_id["ethereum"]["prices"][0]["timestamp"] == "2026-11-20T00:00:00.120Z"


def test_cryptos_are_ordered_by_rank_and_the_unranked_come_last(get):
    ranks = [coin["marketCapRank"] for coin in get("/api/v1/cryptos").json["trackedCoins"]]
    assert ranks[:3] == ["1", "2", "1000"]
    numbers = [int(rank) for rank in ranks if rank is not None]
    assert numbers == sorted(numbers)
    assert ranks[len(numbers):] == [None] * (len(ranks) - len(numbers))


def test_cryptos_that_are_no_longer_renewed_come_last_and_have_no_rank(get):
    coins = get("/api/v1/cryptos").json["trackedCoins"]
    assert [(coin["id"], coin["marketCapRank"]) for coin in coins[-2:]] == [
        ("delisted", None), ("unknown-and-delisted", None)]
    assert coins[-2]["prices"][0]["price"] == "4"
    assert get("/api/v1/cryptos/delisted/history").json["count"] == "1"


def test_every_digit_of_a_number_comes_out(get):
    by_id = {coin["id"]: coin for coin in get("/api/v1/cryptos").json["trackedCoins"]}
    for coin_id, (_, expected) in EXACT.items():
        assert by_id[coin_id]["prices"][0]["price"] == expected
        assert by_id[coin_id]["prices"][0]["marketCap"] == expected
        history = get(f"/api/v1/cryptos/{coin_id}/history").json["priceHistory"]
        assert [point["price"] for point in history] == [expected]


def test_history_is_oldest_first_cached_or_not(get):
    first, second = get(BITCOIN), get(BITCOIN)
    assert (first.status, first.cache) == (200, "MISS")
    assert (second.status, second.cache) == (200, "HIT")
    assert first.body == second.body
    body = first.json
    assert list(body) == ["coinId", "currency", "priceHistory", "count"]
    assert (body["coinId"], body["currency"], body["count"]) == ("bitcoin", "usd", "100")
    history = body["priceHistory"]
    # The newest hundred of 151, the newest one last.
    assert [point["price"] for point in history] == \
        [f"{43000 + i}.50" for i in range(51, 150)] + ["43210.12"]
    assert history[0] == {"price": "43051.50", "currency": "usd",
                          "timestamp": "2026-11-20T00:51:07.051Z"}
    assert history[-1]["timestamp"] == "2026-11-20T10:00:00.000Z"
    assert [p["timestamp"] for p in history] == sorted(p["timestamp"] for p in history)


def test_cryptos_are_the_same_cached_or_not(get):
    first, second = get("/api/v1/cryptos"), get("/api/v1/cryptos")
    assert (first.cache, second.cache) == ("MISS", "HIT")
    assert first.body == second.body


@pytest.mark.parametrize("limit, expected", [("1", 1), ("2", 2), ("151", 151), ("152", 151),
                                             ("10000", 151), ("007", 7)])
def test_history_limit(get, limit, expected):
    body = get(f"{BITCOIN}?limit={limit}").json
    assert body["count"] == str(expected) == str(len(body["priceHistory"]))
    assert body["priceHistory"][-1]["price"] == "43210.12"


def test_history_in_a_currency(get):
    body = get(f"{BITCOIN}?currency=eur&limit=5").json
    assert body == {"coinId": "bitcoin", "currency": "eur", "count": "1", "priceHistory": [
        {"price": "39000", "currency": "eur", "timestamp": "2026-10-01T00:00:00.001Z"}]}
    # The currency is part of what is cached.
    assert get(f"{BITCOIN}?limit=5&currency=usd").json["currency"] == "usd"
    assert get(f"{BITCOIN}?limit=5").cache == "HIT"


def test_default_currency_is_the_first_configured_one(site, daemon):
    daemon("api", DEFAULT_CURRENCY="eur,usd", FRONTEND_PORT=0).wait_ready()
    assert ask(site.api_port, BITCOIN).json["currency"] == "eur"


@pytest.mark.parametrize("coin_id", ODD_IDS)
def test_ids_with_odd_characters(get, coin_id):
    answer = get(f"/api/v1/cryptos/{ODD_IDS[coin_id]}/history")
    assert answer.status == 200, answer.body
    assert answer.json["coinId"] == coin_id
    assert answer.json["priceHistory"][0]["price"] == "7.70"


# ---- errors ----------------------------------------------------------------------------------

@pytest.mark.parametrize("limit", ["0", "10001", "-1", "+5", "1.5", "1e3", "abc", "", "%20", "1%20",
                                   "0x10", "99999999999999999999", "%D9%A3"])
def test_bad_limit(get, limit):
    detail = assert_problem(get(f"{BITCOIN}?limit={limit}"), 400, BITCOIN)
    assert "limit" in detail and "1 to 10000" in detail


@pytest.mark.parametrize("currency", ["", "USD", "us$", "x" * 16, "usd%20", "%27%20or%201=1--"])
def test_bad_currency(get, currency):
    assert "currency" in assert_problem(get(f"{BITCOIN}?currency={currency}"), 400, BITCOIN)


def test_unknown_parameters_are_ignored(get):
    assert get(f"{BITCOIN}?unknown=1&limit=3&limits=x").json["count"] == "3"


def test_unknown_coin(get):
    detail = assert_problem(get("/api/v1/cryptos/no-such-coin/history"), 404,
                            "/api/v1/cryptos/no-such-coin/history")
    assert "no-such-coin" in detail


def test_coin_without_prices_in_the_currency(get):
    assert "jpy" in assert_problem(get(f"{BITCOIN}?currency=jpy"), 404)
    assert_problem(get("/api/v1/cryptos/unpriced/history"), 404)


@pytest.mark.parametrize("path", [
    "/", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/health", "/api/v1/healthy",
    "/api/v1/health/", "/api/v1/cryptos/", "/api/v1/cryptos/bitcoin", "/api/v1/cryptos/history",
    "/api/v1/cryptos//history", "/api/v1/cryptos/bitcoin/history/", "/API/v1/health", "/favicon.ico",
    "/api/v1/cryptos/" + "x" * 128 + "/history", "/api/v1/cryptos/a%2Fb/history",
    "/api/v1/cryptos/caf%C3%A9/history", "/api/v1/cryptos/%FF%FE/history",
    "/api/v1/cryptos/a%22b/history", "/api/v1/cryptos/a%0Ab/history", "/api/v1/cryptos/a%25b/history"])
def test_unknown_path(get, path):
    assert_problem(get(path), 404)


@pytest.mark.parametrize("path", [
    "/api/v1/cryptos/%00/history", "/api/v1/cryptos/bitcoin%00/history",
    "/api/v1/cryptos/..%2Fhealth/history", "/api/v1/cryptos/../../../etc/passwd",
    "/api/v1/cryptos/..%2F..%2F..%2Fetc%2Fpasswd", "/api/v1/cryptos/%2e%2e/history",
    "/api/v1/cryptos/%zz/history", "/api/v1/cryptos/%/history", "//api/v1/health", "/%",
    f"{BITCOIN}?limit=1%00", f"{BITCOIN}?limit=1%zz"])
def test_odd_paths_get_nothing_and_do_no_harm(get, path):
    """Some are normalised, some refused by the HTTP server; none is an error of ours."""
    try:
        answer = get(path)
        assert answer.status in (400, 403, 404) or (answer.status == 200 and "health" in path)
        assert b"root:" not in answer.body
    except http.client.RemoteDisconnected:
        pass
    assert get("/api/v1/health").status == 200


# ---- methods and headers ---------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/cryptos", BITCOIN])
@pytest.mark.parametrize("method, body", [("POST", None), ("POST", b""), ("POST", b'{"price":1}'),
                                          ("PUT", None), ("PUT", b"x"), ("PATCH", None),
                                          ("PATCH", b"x"), ("DELETE", None)])
def test_wrong_method(get, path, method, body):
    answer = get(path, method, body=body)
    assert_problem(answer, 405, path)
    assert {m.strip() for m in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_head_is_a_get_without_the_body(api):
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    for path in (BITCOIN, "/api/v1/cryptos", "/api/v1/health", "/nothing"):
        send(connection, path)
        got = read_answer(connection)
        send(connection, path, "HEAD")
        head = read_answer(connection)
        assert (head.status, head.body) == (got.status, b"")
        for name in ("Content-Type", "Content-Length", "Cache-Control"):
            assert head.headers[name] == got.headers[name]
    # The connection is in step still: nothing of a body was sent.
    send(connection, "/api/v1/health")
    assert read_answer(connection).json["status"] == "UP"
    connection.close()


def test_preflight(get):
    answer = get(BITCOIN, "OPTIONS", {"Origin": "https://example.org",
                                      "Access-Control-Request-Method": "GET"})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert "Content-Length" not in answer.headers  # RFC 9110 section 8.6


@pytest.mark.parametrize("origin, expected, vary", [
    ("*", "*", False), ("https://prices.example.org", "https://prices.example.org", True),
    (None, None, False)])
def test_cors(site, daemon, tmp_path, origin, expected, vary):
    config = tmp_path / "cors.conf"
    config.write_text(f'api: {{ cors_origin = "{origin or ""}"; }}')
    one = daemon("api", "--config", config, FRONTEND_PORT=0)
    one.wait_ready()
    for target in (BITCOIN, "/api/v1/health", "/nothing"):
        answer = ask(site.api_port, target, headers={"Origin": "https://example.org"})
        assert answer.headers["Access-Control-Allow-Origin"] == expected
        assert ("origin" in answer.headers.get("Vary", "")) == vary
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert ("X-Cache" in exposed) if expected else exposed is None


def test_answers_must_be_asked_for_again_and_are_what_they_say(get):
    for target in (BITCOIN, "/api/v1/cryptos", "/api/v1/health"):
        answer = get(target)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Date"].endswith("GMT")
        json.loads(answer.body)
    assert get("/nothing").headers["Cache-Control"] == "no-store"


def test_many_requests_on_one_connection(api):
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    bodies = set()
    for _ in range(300):
        send(connection, BITCOIN)
        bodies.add(read_answer(connection).body)
    connection.close()
    assert len(bodies) == 1


# ---- the cache -------------------------------------------------------------------------------

def test_no_cache_without_a_ttl(site, daemon):
    daemon("api", CACHE_TTL_MS=0, FRONTEND_PORT=0).wait_ready()
    assert [ask(site.api_port, BITCOIN).cache for _ in range(2)] == ["BYPASS", "BYPASS"]
    assert ask(site.api_port, "/api/v1/health").json["cache"] == "OFF"


def test_new_prices_are_seen_when_the_ttl_is_over(site, daemon):
    daemon("api", CACHE_TTL_MS=1, FRONTEND_PORT=0).wait_status("cache up")
    path = "/api/v1/cryptos/ethereum/history?limit=1"
    assert ask(site.api_port, path).json["priceHistory"][0]["price"] == "2500"
    add_price(site.db, "ethereum", "2501", "2026-11-20T12:00:00.000Z")
    answer = ask(site.api_port, path)
    assert answer.json["priceHistory"][0]["price"] == "2501"
    assert answer.cache == "MISS"


def cache_key(site, get):
    site.redis.flushall()
    good = get(BITCOIN)
    (key,) = wait_until(lambda: site.redis.keys("*"))  # the answer does not wait for it
    return key, good.body, site.redis.get(key)


@pytest.mark.parametrize("garbage", [
    b"", b"garbage", b"\x00" * 4096, b"zzzzzzzzzzzzzzzz {\"coinId\":\"bitcoin\"}",
    b"9999999999999999 nothing", b"9999999999999999 {\"coinId\":\"bitcoin\",\"priceHis",
    b"9999999999999999 ", b" 999999999999999 {}", b"-000000000000001 {}", b"x" * 1000000])
def test_garbage_under_our_key_is_not_served(site, get, garbage):
    key, good, _ = cache_key(site, get)
    site.redis.set(key, garbage)
    answer = get(BITCOIN)
    assert (answer.status, answer.cache) == (200, "MISS")
    assert answer.body == good
    assert get(BITCOIN).cache == "HIT"


def test_key_of_another_type_is_not_served(site, get):
    key, good, _ = cache_key(site, get)
    site.redis.delete(key)
    site.redis.rpush(key, "a", "b")
    answer = get(BITCOIN)
    assert (answer.status, answer.cache, answer.body) == (200, "MISS", good)


def test_cut_off_value_is_not_served(site, get):
    key, good, value = cache_key(site, get)
    site.redis.set(key, value[:-1])
    answer = get(BITCOIN)
    assert (answer.cache, answer.body) == ("MISS", good)


def test_keys_in_redis_expire(site, get):
    key, _, _ = cache_key(site, get)
    assert key.startswith(b"crypto-pulse:")
    assert 0 < site.redis.pttl(key) <= 3600000
