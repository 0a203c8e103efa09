"""Every recorded CoinGecko body through the fetcher's own parser (tests/unit/dump-markets), compared
with an independent reading of the same bytes: coin by coin, digit by digit, null by null."""

import decimal
import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CRYPTO_PULSE_BUILD", SOURCE / ".stack/build"))
PROGRAM = BUILD / "tests/unit/dump-markets"
FIXTURES = os.environ.get("CRYPTO_PULSE_FIXTURES")
NAMES = sorted(path.name for path in Path(FIXTURES).glob("*.json")) if FIXTURES else []
MARKETS = [name for name in NAMES if name.startswith("markets_")]
CHARTS = [name for name in NAMES if name.startswith("market_chart_")]
OTHERS = [name for name in NAMES if not name.startswith("markets_")]

pytestmark = pytest.mark.skipif(not NAMES, reason="CRYPTO_PULSE_FIXTURES names no folder of bodies")

NUMBERS = ("market_cap", "total_volume", "high_24h", "low_24h", "price_change_24h",
           "price_change_percentage_24h")


def dump(body, currency="usd"):
    assert PROGRAM.exists(), f"{PROGRAM} is not built (CRYPTO_PULSE_BUILD names the build folder)"
    done = subprocess.run([PROGRAM, currency], input=body, stdout=subprocess.PIPE, check=True)
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


def plain(number):
    """The number's text in plain notation, no digit changed; "-" for null."""
    if number is None:
        return "-"
    text = format(decimal.Decimal(number), "f")
    return text[1:] if decimal.Decimal(number) == 0 and text[0] == "-" else text


def same_text(value, longest):
    """Texts beyond the record's bound are left out."""
    return value if value and len(value.encode()) <= longest else "-"


def expected_line(coin, currency):
    updated = datetime.fromisoformat(coin["last_updated"]).astimezone(timezone.utc)
    rank = coin.get("market_cap_rank")
    return [coin["id"], currency, updated.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            plain(coin["current_price"]),
            same_text(coin["symbol"], 63), same_text(coin["name"], 127),
            "0" if rank is None else str(int(decimal.Decimal(rank))),
            *(plain(coin.get(key)) for key in NUMBERS)]


@pytest.mark.parametrize("name", MARKETS)
def test_markets(name):
    body = (Path(FIXTURES) / name).read_bytes()
    currency = name.split("_")[1]
    coins = json.loads(body, parse_float=str, parse_int=str)
    usable = [coin for coin in coins
              if coin.get("current_price") is not None and coin.get("last_updated") is not None
              and decimal.Decimal(coin["current_price"]) > 0]

    *lines, skipped = dump(body, currency)

    assert skipped[:2] == ["skipped", str(len(coins) - len(usable))]
    assert [line[0] for line in lines] == [coin["id"] for coin in usable]
    for line, coin in zip(lines, usable):
        assert line == expected_line(coin, currency)
    if len(usable) < len(coins):
        first = next(coin for coin in coins if coin not in usable)
        assert skipped[2] == first["id"]
        assert skipped[3] == "current_price is null"


@pytest.mark.parametrize("name", CHARTS)
def test_market_charts(name):
    body = (Path(FIXTURES) / name).read_bytes()
    chart = json.loads(body, parse_float=str, parse_int=str)
    caps, volumes = dict(chart["market_caps"]), dict(chart["total_volumes"])

    lines = dump(body, "--chart")

    assert lines == [[at, plain(price), plain(caps.get(at)), plain(volumes.get(at))]
                     for at, price in chart["prices"]
                     if price is not None and decimal.Decimal(price) > 0]
    assert len(lines) > 10


def test_there_is_something_to_compare():
    assert MARKETS and CHARTS and OTHERS


@pytest.mark.parametrize("name", OTHERS)
def test_other_endpoints(name):
    """A body of another endpoint is an error with a text, or a list without one usable coin."""
    lines = dump((Path(FIXTURES) / name).read_bytes())
    assert len(lines) == 1
    assert lines[0][0] in ("error", "skipped")
    if lines[0][0] == "error":
        assert lines[0][1].isprintable() and len(lines[0][1]) > 0
    else:
        assert int(lines[0][1]) > 0


def error_entries():
    path = Path(FIXTURES or "") / "errors_quoted.json"
    return json.loads(path.read_bytes()) if FIXTURES and path.exists() else []


def message_in(body):
    """What a person would point at in the body, by its shape; None for text and HTML."""
    try:
        root = json.loads(body)
    except ValueError:
        return None
    error = root.get("error")
    if isinstance(error, str):
        return error
    holder = error if isinstance(error, dict) else root
    return holder["status"]["error_message"]


@pytest.mark.parametrize("entry", error_entries(), ids=[e["name"] for e in error_entries()])
def test_error_texts(entry):
    lines = dump(entry["body"].encode())
    assert len(lines) == 1 and lines[0][0] == "error"
    text = lines[0][1]
    assert text.isprintable() and "<" not in text and "{" not in text
    message = message_in(entry["body"])
    if message is not None:
        assert text == " ".join(message.split())[:199].rstrip()
    elif entry["body"].lstrip().startswith("<"):
        assert "Access denied" in text and "1015" in text
    else:
        assert text == entry["body"].strip()
