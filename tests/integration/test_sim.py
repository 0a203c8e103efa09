"""coingecko-sim, asked like the real API; its shapes are compared with recorded answers of that
one, field by field, when CRYPTO_PULSE_FIXTURES names a folder of them."""

import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CRYPTO_PULSE_BUILD", SOURCE / ".stack/build"))
PROGRAM = BUILD / "src/sim/coingecko-sim"
FIXTURES = os.environ.get("CRYPTO_PULSE_FIXTURES")
needs_fixtures = pytest.mark.skipif(
    not FIXTURES, reason="CRYPTO_PULSE_FIXTURES names no folder of recorded bodies")


class Sim:
    """A running simulator. It must end well."""

    def __init__(self, *arguments):
        assert PROGRAM.exists(), f"{PROGRAM} is not built"
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [PROGRAM, "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.base = self.process.stdout.readline().strip()
        assert self.base, self.process.stderr.read()
        self.root = self.base.removesuffix("/api/v3")
        self.port = int(self.root.rpartition(":")[2])
        self.session = requests.Session()

    def get(self, path, **parameters):
        return self.session.get(self.base + path, params=parameters, timeout=10)

    def json(self, path, **parameters):
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path, value=None):
        answer = self.session.post(self.root + path, json=value, timeout=10)
        assert answer.status_code == 200, answer.text

    def log(self):
        return self.session.get(self.root + "/sim/log", timeout=10).json()["requests"]

    def close(self):
        self.session.close()
        self.process.send_signal(signal.SIGTERM)
        errors = self.process.communicate(timeout=10)[1]
        assert self.process.returncode == 0, errors
        return errors


@pytest.fixture(name="start")
def start_fixture():
    running = []

    def start(*arguments):
        running.append(Sim(*arguments))
        return running[-1]

    yield start
    for sim in running:
        sim.close()


@pytest.fixture(name="shared", scope="module")
def shared_fixture():
    sim = Sim("--renew-ms", 86400000)
    yield sim
    sim.close()


@pytest.fixture(name="sim")
def sim_fixture(shared):
    """Prices stand still; fresh from a reset."""
    shared.post("/sim/reset")
    return shared


def recorded(name):
    return json.loads((Path(FIXTURES) / name).read_bytes())


def kind(value):
    """What a value is; integers and floats are both numbers."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, (int, float)) else type(value).__name__


# ---- shapes ---------------------------------------------------------------------------------------

@needs_fixtures
@pytest.mark.parametrize("name, extra", [
    ("markets_usd_2026-03-11T0126_madjin.json", {}),
    ("markets_usd_2025-07-05_sparkline_harshcode1.json",
     {"sparkline": "true", "price_change_percentage": "1h,24h,7d"}),
    ("markets_usd_2025-02-09_precision-full_southpawbob.json",
     {"precision": "full", "price_change_percentage": "1h,1y,24h"}),
])
def test_markets_like_recorded(sim, name, extra):
    kinds = {}
    for coin in recorded(name):
        for field, value in coin.items():
            kinds.setdefault(field, set()).add(kind(value))
    fields = list(recorded(name)[0])
    kinds["roi"].add("dict")
    coins = sim.json("/coins/markets", vs_currency="usd", per_page=250, **extra)
    assert len(coins) == 250
    for coin in coins:
        assert list(coin) == fields
        for field, value in coin.items():
            assert kind(value) in kinds[field], (coin["id"], field, value)
    roi = next(coin["roi"] for coin in coins if coin["roi"])
    assert list(roi) == ["times", "currency", "percentage"]
    if "sparkline" in extra:
        assert list(coins[0]["sparkline_in_7d"]) == ["price"]
        assert len(coins[0]["sparkline_in_7d"]["price"]) == 168


def number_texts(body):
    """The texts of the numbers in a body, by their field."""
    found = re.findall(r'"(\w+)":(-?[0-9][0-9.eE+-]*)', body)
    return {name: [text for field, text in found if field == name] for name, _ in found}


def classes(texts):
    """How numbers are written: "7", "7.7", "7.7e-7", with - in front."""
    return {re.sub(r"e[-+]\d+", "e", re.sub(r"\.\d+", ".f", re.sub(r"^-?\d+", "7", text)))
            for text in texts}


@needs_fixtures
@pytest.mark.parametrize("field", [
    "current_price", "market_cap", "market_cap_rank", "total_volume", "high_24h", "low_24h",
    "circulating_supply", "total_supply", "max_supply", "ath", "price_change_percentage_24h"])
def test_numbers_are_written_like_recorded(sim, field):
    real = classes(number_texts((Path(FIXTURES) / "markets_usd_2026-03-11T0126_madjin.json")
                                .read_text())[field])
    own = classes(number_texts(sim.get("/coins/markets", vs_currency="usd").text)[field])
    assert own <= real | {"7.fe"}, (own, real)


@needs_fixtures
def test_simple_price_like_recorded(sim):
    real = recorded("simple_price_all-includes_2020_btc-eth.json")[0]["bitcoin"]
    own = sim.json("/simple/price", ids="bitcoin", vs_currencies="usd", include_market_cap="true",
                   include_24hr_vol="true", include_24hr_change="true")["bitcoin"]
    assert list(own) == list(real)
    assert sim.json("/simple/price", ids="bitcoin", vs_currencies="ethereum") \
        == recorded("simple_price_unknown-currency_2021-05-15_coingecko_ruby.json")
    spaced = recorded("simple_price_ids-with-space_2021-05-15_coingecko_ruby.json")
    assert list(sim.json("/simple/price", ids="bitcoin, ethereum", vs_currencies="usd")) \
        == list(spaced)


@needs_fixtures
def test_small_answers_like_recorded(sim):
    assert sim.json("/ping") == recorded("ping_go-gecko.json")
    assert set(sim.json("/simple/supported_vs_currencies")) \
        >= set(recorded("supported_vs_currencies_61_dashbrd.json"))
    assert list(sim.json("/coins/list")[0]) == list(recorded("coins_list_2025-04_kps-sl.json")[0])
    assert list(sim.json("/coins/list", include_platform="true")[0]) \
        == list(recorded("coins_list_platforms_2_dashbrd.json")[0])


@needs_fixtures
def test_errors_like_recorded(sim):
    for path, parameters, name in (
            ("/simple/price", {}, "error_422_missing-ids_2021-07-19_coingecko_ruby.json"),
            ("/coins/markets", {}, "error_422_missing-vs_currency_2021-07-19_coingecko_ruby.json")):
        answer = sim.get(path, **parameters)
        assert answer.status_code == 422
        assert answer.json() == recorded(name)
    quoted = {entry["name"]: entry for entry in recorded("errors_quoted.json")}
    answer = sim.get("/coins/nix/market_chart", vs_currency="usd", days=1)
    assert (answer.status_code, answer.text) == (404, quoted["404_coin_not_found"]["body"])
    answer = sim.get("/coins/bitcoin/market_chart", vs_currency="usd", days=1000)
    real = json.loads(quoted["401_10012_time_range"]["body"])
    assert answer.status_code == 401
    own = answer.json()
    assert own["error"]["status"].pop("timestamp") and real["error"]["status"].pop("timestamp")
    assert own == real


@needs_fixtures
@pytest.mark.parametrize("days, name", [
    (1, "market_chart_usd_1d_2023-03-15_dashbrd.json"),
    (7, "market_chart_bitcoin_usd_7d_2023-10-10_iamgnnr.json"),
    (91, "market_chart_qubic-network_usd_90d-daily_2025-04-24_sqryxz.json"),
])
def test_charts_like_recorded(sim, days, name):
    real = recorded(name)
    own = sim.json("/coins/bitcoin/market_chart", vs_currency="usd", days=days)
    assert list(own) == list(real)
    for series, points in own.items():
        assert abs(len(points) - len(real[series])) <= 2
        times = [point[0] for point in points]
        assert times == sorted(times)
        assert all(isinstance(at, int) and isinstance(value, float) for at, value in points)


def test_range_begins_with_its_first_point(sim):
    """Points do not lie on the grid: one that comes after FROM belongs to the range, even if its
    place on the grid does not."""
    day = sim.json("/coins/bitcoin/market_chart", vs_currency="usd", days=1)["prices"][:-1]
    for point in day[1:20]:
        part = sim.json("/coins/bitcoin/market_chart/range", vs_currency="usd",
                        **{"from": point[0] // 1000, "to": day[-1][0] // 1000 + 1})["prices"]
        assert part[0] == point


# ---- the market -----------------------------------------------------------------------------------

def test_pages_and_orders(sim):
    everyone = sim.json("/coins/markets", vs_currency="usd", per_page=250) \
        + sim.json("/coins/markets", vs_currency="usd", per_page=250, page=2)
    assert len({coin["id"] for coin in everyone}) == 300
    assert [coin["market_cap_rank"] for coin in everyone] == list(range(1, 301))
    caps = [coin["market_cap"] for coin in everyone]
    assert caps == sorted(caps, reverse=True)
    small = sim.get("/coins/markets", vs_currency="usd", per_page=7, page=3)
    assert [coin["id"] for coin in small.json()] == [coin["id"] for coin in everyone[14:21]]
    assert (small.headers["per-page"], small.headers["total"]) == ("7", "300")
    assert len(sim.json("/coins/markets", vs_currency="usd", per_page=1000)) == 250
    assert sim.json("/coins/markets", vs_currency="usd", page=99) == []
    chosen = sim.json("/coins/markets", vs_currency="eur", ids="tether, nix,bitcoin",
                      order="id_desc")
    assert [coin["id"] for coin in chosen] == ["tether", "bitcoin"]
    volumes = [coin["total_volume"] for coin in
               sim.json("/coins/markets", vs_currency="usd", order="volume_asc")]
    assert volumes == sorted(volumes)
    assert sim.get("/coins/markets", vs_currency="nix").status_code == 422


def test_prices_agree_everywhere(sim):
    coin = sim.json("/coins/markets", vs_currency="usd", ids="solana", precision="full")[0]
    simple = sim.json("/simple/price", ids="solana", vs_currencies="usd", precision="full",
                      include_last_updated_at="true")["solana"]
    assert simple["usd"] == coin["current_price"]
    updated = datetime.fromisoformat(coin["last_updated"]).astimezone(timezone.utc)
    assert simple["last_updated_at"] == int(updated.timestamp())
    chart = sim.json("/coins/solana/market_chart", vs_currency="usd", days=1)
    assert chart["prices"][-1][1] == coin["current_price"]
    low, high = coin["low_24h"] * 0.97, coin["high_24h"] * 1.03
    assert all(low < price < high for _, price in chart["prices"])


def test_same_seed_same_history(start):
    charts = [start("--seed", seed).json("/coins/dogecoin/market_chart/range", vs_currency="usd",
                                         **{"from": 1790000000, "to": 1790080000})
              for seed in (5, 5, 6)]
    assert charts[0] == charts[1]
    assert charts[0] != charts[2]
    assert len(charts[0]["prices"]) > 200


def test_renewal(start):
    sim = start("--renew-ms", 300, "--renew-together", "--coins", 20)
    seen = {}
    end = time.monotonic() + 10
    while len(seen) < 4 and time.monotonic() < end:
        for coin in sim.json("/coins/markets", vs_currency="usd", precision="full"):
            seen.setdefault(coin["last_updated"], {})[coin["id"]] = coin["current_price"]
    assert len(seen) >= 4
    complete = [prices for prices in seen.values() if len(prices) == 20]
    assert all(one != other for one, other in zip(complete, complete[1:]))


def test_set_price(sim):
    sim.post("/sim/prices", {"bitcoin": {"usd": 123.45, "eur": 1e-9}, "tether": {"usd": 2}})
    coin = sim.json("/coins/markets", vs_currency="usd", ids="bitcoin")[0]
    assert coin["current_price"] == 123.45
    age = datetime.now(timezone.utc) - datetime.fromisoformat(coin["last_updated"])
    assert age.total_seconds() < 5
    assert sim.json("/simple/price", ids="bitcoin,tether", vs_currencies="usd,eur")["bitcoin"] \
        == {"usd": 123.45, "eur": 1e-9}
    answer = requests.post(sim.root + "/sim/prices", json={"nix": {"usd": 1}}, timeout=10)
    assert answer.status_code == 400 and "nix" in answer.json()["error"]


def test_compression(sim):
    with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as peer:
        peer.sendall(b"GET /coins/markets?vs_currency=usd HTTP/1.1\r\nHost: x\r\n"
                     b"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n")
        head, _, body = b"".join(iter(lambda: peer.recv(65536), b"")).partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert len(json.loads(gzip.decompress(body))) == 100


# ---- the log --------------------------------------------------------------------------------------

def test_log(sim):
    sim.get("/ping")
    sim.session.get(sim.root + "/coins/list?x_cg_demo_api_key=geheim", timeout=10)
    sim.session.get(sim.base + "/nix", headers={"x-cg-pro-api-key": "geheim"}, timeout=10)
    requests.get(sim.base + "/ping", timeout=10)
    log = sim.log()
    assert "geheim" not in json.dumps(log)
    assert [call["number"] for call in log] == [1, 2, 3, 4]
    assert [call["path"] for call in log] \
        == ["/api/v3/ping", "/coins/list", "/api/v3/nix", "/api/v3/ping"]
    assert [call["status"] for call in log] == [200, 200, 404, 200]
    assert [call["key"] for call in log] == [None, "x_cg_demo_api_key", "x-cg-pro-api-key", None]
    assert log[0]["connection"] == log[2]["connection"] != log[3]["connection"]
    assert "gzip" in log[0]["acceptEncoding"]
    since = requests.get(sim.root + "/sim/log?since=3", timeout=10).json()
    assert since["count"] == 4 and len(since["requests"]) == 1


def test_verbose(start):
    sim = Sim("--verbose")
    sim.get("/simple/price", ids="bitcoin", vs_currencies="usd")
    errors = sim.close()
    assert re.search(r"200 GET /api/v3/simple/price\?ids=bitcoin&vs_currencies=usd \d+ ms", errors)
    assert start  # so that a failure above ends the others, too


# ---- faults ---------------------------------------------------------------------------------------

@needs_fixtures
@pytest.mark.parametrize("name, fault", [
    ("429_rate_limit", "429"), ("429_throttled_plain_text", "429-plain"),
    ("404_coin_not_found", "text-error"), ("400_10010_wrong_host_pro", "code-error")])
def test_error_bodies_like_recorded(sim, name, fault):
    real = next(entry for entry in recorded("errors_quoted.json") if entry["name"] == name)
    sim.post("/sim/faults", {"fault": fault})
    answer = sim.get("/coins/markets", vs_currency="usd")
    assert (answer.status_code, answer.text) == (real["http_status"], real["body"])


@pytest.mark.parametrize("fault, status, content_type", [
    ("429", 429, "application/json"), ("429-plain", 429, "text/plain"),
    ("429-html", 429, "text/html"), ("500", 500, "application/json"), ("502", 502, "text/html"),
    ("503", 503, "text/html"), ("504", 504, "text/html"), ("status-error", 403, "application/json"),
    ("nested-error", 401, "application/json"), ("object", 200, "application/json"),
    ("html", 200, "text/html"), ("empty", 200, "application/json")])
def test_answers_that_are_none(sim, fault, status, content_type):
    sim.post("/sim/faults", {"path": "/coins/markets", "fault": fault, "count": 1})
    answer = sim.get("/coins/markets", vs_currency="usd")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(content_type)
    assert "retry-after" not in answer.headers
    assert sim.get("/coins/markets", vs_currency="usd").status_code == 200
    assert [call["fault"] for call in sim.log()] == [fault, None]


def test_retry_after_and_latency(sim):
    sim.post("/sim/faults", [{"path": "/ping", "fault": "429", "retry_after": 7, "count": 1},
                             {"path": "/ping", "fault": "latency", "latency_ms": 300}])
    assert sim.get("/ping").headers["retry-after"] == "7"
    begin = time.monotonic()
    assert sim.get("/ping").status_code == 200
    assert time.monotonic() - begin >= 0.3
    assert sim.log()[1]["durationMs"] >= 300


@pytest.mark.parametrize("fault", ["truncated", "malformed"])
def test_broken_json(sim, fault):
    sim.post("/sim/faults", {"fault": fault})
    answer = sim.get("/coins/markets", vs_currency="usd")
    assert answer.status_code == 200 and len(answer.text) > 10000
    with pytest.raises(ValueError):
        answer.json()


@pytest.mark.parametrize("fault", ["cut", "reset"])
def test_broken_connections(sim, fault):
    sim.post("/sim/faults", {"fault": fault, "count": 1})
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
    connection.request("GET", "/coins/markets?vs_currency=usd")
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        connection.getresponse().read()
    assert sim.get("/ping").status_code == 200


def test_troubled_coins(sim):
    def coins():
        return {coin["id"]: coin for coin in sim.json("/coins/markets", vs_currency="usd")}

    sim.post("/sim/faults", [
        {"fault": "missing", "coins": ["bitcoin"], "count": 1},
        {"fault": "null", "coins": ["bitcoin"], "count": 1},
        {"fault": "stale", "coins": ["bitcoin"], "age_ms": 86400000 * 12, "count": 1}])
    assert "bitcoin" not in coins()
    null = coins()["bitcoin"]
    assert null["current_price"] is None and null["last_updated"] is None
    stale = coins()["bitcoin"]
    age = datetime.now(timezone.utc) - datetime.fromisoformat(stale["last_updated"])
    assert 12 <= age.total_seconds() / 86400 <= 13.1
    assert coins()["bitcoin"]["current_price"]


def test_schedule(start):
    sim = start("--fault", "markets:429:every=3:after=1:retry-after=1", "--fault", "ping:503")
    assert [sim.get("/coins/markets", vs_currency="usd").status_code for _ in range(7)] \
        == [200, 200, 200, 429, 200, 200, 429]
    assert sim.get("/ping").status_code == 503
    faults = requests.get(sim.root + "/sim/faults", timeout=10).json()
    assert [fault["seen"] for fault in faults] == [7, 1]
    requests.delete(sim.root + "/sim/faults", timeout=10)
    assert sim.get("/ping").status_code == 200


# ---- keys -----------------------------------------------------------------------------------------

def test_keys(start):
    demo, pro = start("--require-demo-key", "d"), start("--require-pro-key", "p")

    def ask(sim, header=None, key=None):
        answer = requests.get(sim.base + "/ping", headers={header: key} if header else {},
                              timeout=10)
        status = answer.json().get("status", {})
        return answer.status_code, answer.json().get("error_code") or status.get("error_code")

    assert ask(demo) == (401, 10002)
    assert ask(demo, "x-cg-demo-api-key", "wrong") == (401, 10002)
    assert ask(demo, "x-cg-demo-api-key", "d") == (200, None)
    assert ask(demo, "x-cg-pro-api-key", "p") == (400, 10010)
    assert ask(pro, "x-cg-demo-api-key", "d") == (400, 10011)
    assert ask(pro, "x-cg-pro-api-key", "p") == (200, None)
    assert requests.get(demo.base + "/ping?x_cg_demo_api_key=d", timeout=10).status_code == 200
    history = {"vs_currency": "usd", "days": "max"}
    assert requests.get(pro.base + "/coins/bitcoin/market_chart", params=history, timeout=10,
                        headers={"x-cg-pro-api-key": "p"}).status_code == 200


# ---- replay ---------------------------------------------------------------------------------------

def test_replay(start, tmp_path):
    for name, body in (("markets_2.json", "[2]"), ("markets_1.json", "[1.0e-05]"),
                       ("market_chart_bitcoin_x.json", '{"prices":[]}'), ("notes.txt", "no")):
        (tmp_path / name).write_text(body)
    sim = start("--replay", tmp_path)
    assert [sim.get("/coins/markets", vs_currency="usd").text for _ in range(3)] \
        == ["[1.0e-05]", "[2]", "[2]"]
    assert sim.get("/coins/markets", vs_currency="usd", page=2).text == "[]"
    assert sim.get("/coins/bitcoin/market_chart").json() == {"prices": []}
    assert "gecko_says" in sim.json("/ping")
    sim.post("/sim/replay", {"advance": "manual", "position": 0})
    assert [sim.get("/coins/markets").text for _ in range(2)] == ["[1.0e-05]"] * 2
    sim.post("/sim/replay", {"next": True})
    assert sim.get("/coins/markets").text == "[2]"
    state = requests.get(sim.root + "/sim/replay", timeout=10).json()
    assert state["advance"] == "manual" and state["positions"]["markets_"] == 1


@needs_fixtures
def test_replay_recorded(start):
    sim = start("--replay", FIXTURES)
    for path in sorted(Path(FIXTURES).glob("markets_*.json")):
        assert sim.get("/coins/markets", vs_currency="usd").content == path.read_bytes()


# ---- the command line -----------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, expected", [
    (["--port", "x"], "a number from 0 to 65535"), (["--fault", "markets:nonsense"], "nonsense"),
    (["--replay", "/nonexistent"], "cannot be read"), (["what"], "what is \"what\"?"),
    (["--nonsense"], "unrecognized option"), (["--listen", "192.0.2.1"], "not an address")])
def test_wrong_arguments(arguments, expected):
    done = subprocess.run([PROGRAM, "--port", "0", *arguments], stderr=subprocess.PIPE, timeout=10,
                          text=True, check=False)
    assert done.returncode != 0
    assert expected in done.stderr


def test_help():
    done = subprocess.run([PROGRAM, "--help"], stdout=subprocess.PIPE, timeout=10, text=True,
                          check=True)
    manual = (SOURCE / "src/sim/coingecko-sim.1").read_text()
    for option in re.findall(r"--([a-z-]+)", done.stdout):
        assert f"Fl Fl {option}" in manual, option
