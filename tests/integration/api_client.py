"""What the API's tests share: rows put straight into the database, and requests that are sent as
they are written (no normalised path, no added header)."""

import http.client
import json
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field

DETAILS = ("market_cap", "volume_24h", "high_24h", "low_24h", "change_24h", "change_percent_24h")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes = field(repr=False)

    @property
    def cache(self):
        return self.headers["X-Cache"]

    @property
    def json(self):
        """Numbers as texts, digit by digit; what Python would take but JSON does not, fails."""
        def refuse(constant):
            raise ValueError(f"{constant} is no JSON")
        return json.loads(self.body, parse_float=str, parse_int=str, parse_constant=refuse)


def read_answer(connection):
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


def send(connection, target, method="GET", headers=None, body=None):
    """On an http.client connection; only the Host header is added."""
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)


def ask(port, target, method="GET", headers=None, body=None, timeout=60):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        send(connection, target, method, headers, body)
        return read_answer(connection)
    finally:
        connection.close()


def assert_problem(answer, status, target=None):
    """RFC 9457, with a detail that a person can act on."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert problem["type"] == "about:blank"
    assert problem["title"] == http.client.responses[status]
    assert problem["status"] == str(status)
    assert problem["detail"].endswith((".", "10000", "usd")) and len(problem["detail"]) > 10
    if target is not None:
        assert problem["instance"] == target
    return problem["detail"]


def add_coin(db, coin_id, symbol=None, name=None, rank=None):
    db.rows("insert into coins (id, symbol, name, market_cap_rank) values (%s, %s, %s, %s)",
            coin_id, symbol, name, rank)


def add_price(db, coin_id, price, at, currency="usd", **details):
    """PRICE and DETAILS: numbers as text, the way a message brings them."""
    db.rows("insert into currencies (code) values (%s) on conflict do nothing", currency)
    db.rows("select ensure_prices_partition(%s::timestamptz)", at)
    values = [details.get(name) for name in DETAILS]
    numbers = (coin_id, currency)
    where = ("select coin_no, currency_no, %s::timestamptz, %s::numeric, %s::numeric, %s::numeric"
             "{} from coins, currencies where id = %s and code = %s")
    db.rows("insert into prices (coin_no, currency_no, ts, price, market_cap, volume_24h) "
            + where.format(""), at, price, *values[:2], *numbers)
    db.rows("insert into latest_prices (coin_no, currency_no, ts, price, " + ", ".join(DETAILS)
            + ") " + where.format(", %s::numeric" * 4) +
            " on conflict (coin_no, currency_no) do update set ts = excluded.ts,"
            " price = excluded.price where latest_prices.ts < excluded.ts",
            at, price, *values, *numbers)


@contextmanager
def stopped(*pids):
    """The processes hang: they neither answer nor close what is open."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def postgres_pids(site):
    """The server's first process and all of its children."""
    backend = site.db.value("select pg_backend_pid()")
    with open(f"/proc/{backend}/stat", encoding="ascii") as stat:
        parent = int(stat.read().rsplit(")", 1)[1].split()[1])
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as children:
        return [parent, *map(int, children.read().split())]
