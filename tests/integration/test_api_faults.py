"""The API while its peers are away, hang, restart, or have more to do than they can."""

import http.client
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api_client import (add_coin, add_price, ask, assert_problem, postgres_pids, read_answer, send,
                        stopped)
from stack_clients import wait_until

CRYPTOS = "/api/v1/cryptos"
HEALTH = "/api/v1/health"
# Generous: far above what an answer takes, far below what a hang would.
SOON_S = 10


def history(coin_id):
    return f"{CRYPTOS}/{coin_id}/history"


@pytest.fixture(scope="module", autouse=True, name="rows")
def rows_fixture(site):
    for coin_id in ("bitcoin", "ethereum", "tether"):
        add_coin(site.db, coin_id)
        add_price(site.db, coin_id, "1.50", "2026-11-20T00:00:00Z")
        add_price(site.db, coin_id, "2.50", "2026-11-21T00:00:00Z")


@pytest.fixture(name="get")
def get_fixture(site):
    """get(TARGET): an answer that came soon."""
    def get(target, *more, **options):
        began = time.monotonic()
        answer = ask(site.api_port, target, *more, **options)
        assert time.monotonic() - began < SOON_S
        return answer
    return get


@pytest.fixture(name="start")
def start_fixture(stack, site, daemon):
    """start(VARIABLE=value...): an api beside an empty cache."""
    assert stack.redis.running
    site.redis.flushall()
    return lambda **variables: daemon("api", **{"FRONTEND_PORT": 0, "CACHE_TTL_MS": 600000,
                                                **variables})


def prices(answer):
    assert answer.status == 200, answer.body
    return [point["price"] for point in answer.json["priceHistory"]]


# ---- Redis -----------------------------------------------------------------------------------

def test_redis_has_a_name_and_no_name_server_answers(daemon, get, silent_dns):
    """Everybody else is served meanwhile."""
    api = daemon("api", FRONTEND_PORT=0, REDIS_HOST="redis.example", wrapper=silent_dns.wrapper)
    api.wait_ready()
    api.wait_log("no name server answers")
    for _ in range(20):
        assert len(prices(get(history("bitcoin")))) == 2
        time.sleep(0.1)
    silent_dns.wait_asked()
    api.terminate(5)


def test_redis_has_a_name(site, start, get):
    start(REDIS_HOST="localhost").wait_ready()
    wait_until(lambda: get(HEALTH).json["cache"] == "UP")
    assert site.redis.ping()


def test_redis_stops_and_comes_back(stack, start, get):
    api = start()
    api.wait_status("cache up")
    assert get(history("bitcoin")).cache == "MISS"
    assert get(history("bitcoin")).cache == "HIT"
    stack.redis.stop()
    for _ in range(3):
        answer = get(history("bitcoin"))
        assert answer.cache == "BYPASS"
        assert prices(answer) == ["1.50", "2.50"]
    assert get(CRYPTOS).cache == "BYPASS"
    health = get(HEALTH)
    assert (health.status, health.json["status"], health.json["cache"]) == (200, "UP", "DOWN")
    api.wait_status("cache DOWN")
    stack.redis.start()
    wait_until(lambda: get(HEALTH).json["cache"] == "UP")
    assert get(history("bitcoin")).cache == "MISS"
    assert get(history("bitcoin")).cache == "HIT"
    # Told when it went and when it came, not with each request nor each try.
    assert api.log.count("Redis is not there (") == 1
    assert api.log.count("Redis is there again") == 1


def test_redis_is_away_from_the_beginning(stack, start, get):
    stack.redis.stop()
    api = start()
    api.wait_ready()
    assert "cache DOWN" in api.status and "database up" in api.status
    assert get(history("bitcoin")).cache == "BYPASS"
    stack.redis.start()
    wait_until(lambda: get(history("bitcoin")).cache == "MISS")
    assert get(history("bitcoin")).cache == "HIT"


def test_redis_hangs(stack, site, start, get):
    assert stack.redis.running
    start().wait_status("cache up")
    first = get(history("bitcoin"))
    with stopped(site.redis.info()["process_id"]):
        for _ in range(4):
            answer = get(history("bitcoin"))
            assert answer.cache == "BYPASS"
            assert answer.body == first.body
        assert get(HEALTH).json["cache"] == "DOWN"
    wait_until(lambda: get(history("bitcoin")).cache == "HIT")


def test_redis_hangs_from_the_beginning(site, start, get):
    with stopped(site.redis.info()["process_id"]):
        api = start()
        api.wait_ready(SOON_S)
        assert "cache DOWN" in api.status
        assert get(history("bitcoin")).cache == "BYPASS"


def test_redis_refuses_the_password(start, get):
    api = start(REDIS_PASSWORD="not-the-one")
    api.wait_ready()
    assert get(history("bitcoin")).cache == "BYPASS"
    assert get(HEALTH).json["cache"] == "DOWN"
    assert "WRONGPASS" in api.log or "invalid password" in api.log
    assert "not-the-one" not in api.log


def test_redis_drops_connections_under_load(site, start, get):
    start().wait_status("cache up")
    bodies, caches = set(), set()

    def load():
        for _ in range(100):
            answer = get(history("bitcoin"))
            assert answer.status == 200
            bodies.add(answer.body)
            caches.add(answer.cache)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(load) for _ in range(4)]
        while not all(one.done() for one in running):
            site.redis.client_kill_filter(_type="normal", skipme=True)
        for one in running:
            one.result()
    assert len(bodies) == 1
    assert caches <= {"HIT", "MISS", "BYPASS"}


# ---- PostgreSQL ------------------------------------------------------------------------------

def test_postgres_stops_and_comes_back(stack, start, get):
    api = start()
    api.wait_status("database up, cache up")
    fresh = get(history("bitcoin"))
    stack.postgres.stop()
    for _ in range(3):
        answer = get(history("bitcoin"))
        assert (answer.status, answer.cache, answer.body) == (200, "HIT", fresh.body)
    for target in (history("ethereum"), CRYPTOS, history("no-such-coin")):
        answer = get(target)
        assert_problem(answer, 503, target)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    health = get(HEALTH)
    assert (health.status, health.json["status"], health.json["database"]) == (503, "DOWN", "DOWN")
    api.wait_status("database DOWN")
    stack.postgres.start()
    wait_until(lambda: get(HEALTH).status == 200)
    assert prices(get(history("ethereum"))) == ["1.50", "2.50"]
    assert api.log.count("PostgreSQL does not answer") == 1
    assert api.log.count("PostgreSQL answers again") == 1


def test_postgres_has_a_name(start, get):
    start(POSTGRES_HOST="localhost").wait_status("database up")
    assert prices(get(history("ethereum"))) == ["1.50", "2.50"]


def test_postgres_has_an_unknown_name(start, get):
    start(POSTGRES_HOST="nowhere.invalid").wait_log("nowhere.invalid: ")
    assert get(HEALTH).status == 503


def test_postgres_has_a_name_and_no_name_server_answers(start, get, silent_dns):
    api = start(POSTGRES_HOST="postgres.example", wrapper=silent_dns.wrapper)
    silent_dns.wait_asked()
    api.wait_status("no name server answers")
    assert get(HEALTH).status == 503
    assert_problem(get(CRYPTOS), 503)
    api.terminate(SOON_S)


def test_sigterm_while_no_name_server_answers(start, silent_dns):
    api = start(POSTGRES_HOST="postgres.example", wrapper=silent_dns.wrapper)
    silent_dns.wait_asked()
    api.terminate(SOON_S)


def test_postgres_stops_and_the_cache_grows_old(stack, start, get):
    start(CACHE_TTL_MS=1).wait_status("database up, cache up")
    fresh = get(history("bitcoin"))
    assert fresh.cache == "MISS"
    stack.postgres.kill()
    answer = get(history("bitcoin"))
    assert (answer.status, answer.cache, answer.body) == (200, "STALE", fresh.body)
    assert_problem(get(history("ethereum")), 503)
    stack.postgres.start()
    wait_until(lambda: get(history("bitcoin")).cache == "MISS")


def test_postgres_is_away_from_the_beginning(stack, start, get):
    stack.postgres.stop()
    api = start()
    api.wait_ready()
    assert "database DOWN" in api.status
    assert get(HEALTH).status == 503
    assert_problem(get(CRYPTOS), 503)
    stack.postgres.start()
    wait_until(lambda: get(HEALTH).status == 200)
    # Without any request it is found out, too.
    api.wait_status("database up")


def test_postgres_restarts_between_two_requests(stack, site, start, get):
    start(CACHE_TTL_MS=0).wait_ready()
    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:  # each of the connections is used
            answers = list(pool.map(lambda i: get(f"{history('bitcoin')}?limit={i + 1}"), range(8)))
        assert [answer.status for answer in answers] == [200] * 8
        stack.postgres.restart()
        site.db.close()
    assert get(CRYPTOS).status == 200


def test_connections_killed_by_the_database(site, start, get):
    start(CACHE_TTL_MS=0).wait_ready()
    for _ in range(10):
        assert get(CRYPTOS).status == 200
        site.db.rows("select pg_terminate_backend(pid) from pg_stat_activity"
                     " where application_name = 'crypto-pulse-api'")


def test_statements_are_prepared_and_a_migration_changes_their_result(stack, site, start, get):
    site.db.rows("alter role current_user set log_min_duration_statement = 0")
    try:
        api = start(CACHE_TTL_MS=0)
        api.wait_ready()
        first = get(CRYPTOS)
        for target in [CRYPTOS, history("bitcoin")] * 8:  # each of the connections is used
            assert get(target).status == 200
        for name in ("cryptos", "history", "ping"):
            wait_until(lambda: f"execute {name}: " in stack.postgres.log)
        site.db.rows("alter table coins alter column name type varchar(100)")
        assert [get(CRYPTOS).body for _ in range(8)] == [first.body] * 8
        assert "PostgreSQL" not in api.log
    finally:
        site.db.rows("alter role current_user reset log_min_duration_statement")
        site.db.rows("alter table coins alter column name type text")


def test_postgres_hangs(site, start, get):
    """Neither an error nor an answer comes from it; ours come all the same."""
    api = start(CACHE_TTL_MS=1)
    api.wait_status("database up, cache up")
    fresh = get(history("bitcoin"))
    pids = postgres_pids(site)
    with stopped(*pids), ThreadPoolExecutor(12) as pool:
        targets = [history("bitcoin"), history("ethereum"), CRYPTOS, HEALTH]
        answers = dict(zip(targets * 3, pool.map(get, targets * 3)))
        stale = answers[history("bitcoin")]
        assert (stale.status, stale.cache, stale.body) == (200, "STALE", fresh.body)
        assert_problem(answers[CRYPTOS], 503, CRYPTOS)
        assert_problem(answers[history("ethereum")], 503)
        assert (answers[HEALTH].status, answers[HEALTH].json["database"]) == (503, "DOWN")
        api.wait_status("database DOWN")
    wait_until(lambda: get(HEALTH).status == 200)
    wait_until(lambda: prices(get(history("ethereum"))) == ["1.50", "2.50"])


def test_wrong_password_and_missing_database_are_told_once(start, get):
    api = start(POSTGRES_PASSWORD="not-the-one")
    api.wait_ready()
    for _ in range(3):
        assert_problem(get(CRYPTOS), 503)
    assert api.log.count("password authentication failed") == 1
    assert "not-the-one" not in api.log
    # What the database says is for the log, not for everyone.
    assert b"password" not in get(CRYPTOS).body


def test_schema_is_missing(start, get):
    api = start(POSTGRES_DB="postgres")
    api.wait_ready()
    for _ in range(5):
        assert_problem(get(CRYPTOS), 503)
        assert get(HEALTH).status == 503
    assert "relation" in api.log
    assert api.log.count("warning: PostgreSQL") == 2  # the state, and the query
    assert "again" not in api.log


# ---- one question for many -------------------------------------------------------------------

def running_queries(site):
    return site.db.value("select count(*) from pg_stat_activity where state = 'active'"
                         " and application_name = 'crypto-pulse-api'")


@pytest.mark.parametrize("target, table", [(history("bitcoin"), "prices"), (CRYPTOS, "coins")])
def test_identical_requests_make_one_query(site, start, target, table):
    api = start()
    api.wait_status("database up, cache up")
    connections = [http.client.HTTPConnection("127.0.0.1", site.api_port, timeout=60)
                   for _ in range(50)]
    with site.db.locked(table):
        for connection in connections:
            send(connection, target)
        api.wait_status(r" 50 requests")
        assert running_queries(site) == 1
    answers = [read_answer(connection) for connection in connections]
    assert {(answer.status, answer.cache) for answer in answers} == {(200, "MISS")}
    assert len({answer.body for answer in answers}) == 1
    assert ask(site.api_port, target).cache == "HIT"


def test_a_slow_query_is_answered_without_and_remembered(site, start, get):
    start().wait_status("database up, cache up")
    with site.db.locked("prices"):
        answer = get(history("tether"))
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"]
        # Others are not held up, and no second query is made for the same.
        assert get(CRYPTOS).status == 200
        assert get(HEALTH).status == 200
        assert get(history("tether")).status == 503
        assert running_queries(site) == 1
    answer = wait_until(lambda: (a := get(history("tether"))).status == 200 and a)
    assert answer.cache == "HIT"


def test_more_questions_than_can_be_asked_at_once(site, start, get):
    """They take their turns; that says nothing of the database's state."""
    api = start()
    api.wait_status("database up, cache up")
    targets = [f"{history('bitcoin')}?limit={n}" for n in range(1, 101)]
    with site.db.locked("prices"), ThreadPoolExecutor(len(targets)) as pool:
        asking = [pool.submit(get, target) for target in targets]
        api.wait_status(r" 100 requests")
        # As long as they wait, and for those who ask after them.
        while not all(one.done() for one in asking):
            health = get(HEALTH)
            assert (health.status, health.json["database"]) == (200, "UP")
        for one in asking:
            assert "busy" in assert_problem(one.result(), 503, history("bitcoin"))
            assert one.result().headers["Retry-After"]
    wait_until(lambda: [get(target).status for target in targets] == [200] * len(targets))
    assert "database up" in api.status
    assert "PostgreSQL does not answer" not in api.log


def test_client_that_leaves_before_its_answer(site, start, get):
    api = start()
    api.wait_status("database up, cache up")
    with site.db.locked("prices"):
        connection = http.client.HTTPConnection("127.0.0.1", site.api_port, timeout=60)
        send(connection, history("bitcoin"))
        wait_until(lambda: running_queries(site) == 1)
        connection.close()
    assert prices(get(history("bitcoin"))) == ["1.50", "2.50"]
    assert api.running


# ---- the end ---------------------------------------------------------------------------------

def test_sigterm_ends_it_soon(site, start):
    """With idle keep-alive connections, and a query that does not end: 503 instead."""
    api = start()
    api.wait_status("database up, cache up")
    idle = [http.client.HTTPConnection("127.0.0.1", site.api_port) for _ in range(5)]
    for connection in idle:
        send(connection, HEALTH)
        assert read_answer(connection).status == 200
    with site.db.locked("prices"):
        waiting = http.client.HTTPConnection("127.0.0.1", site.api_port, timeout=60)
        send(waiting, history("bitcoin"))
        wait_until(lambda: running_queries(site) == 1)
        began = time.monotonic()
        api.terminate()
        assert time.monotonic() - began < 5
    assert read_answer(waiting).status == 503
    assert re.search(r"Stopped\.$", api.log.strip())
    assert any(fields.get("STOPPING") == "1" for _, fields in api.notify.messages)
    for connection in idle + [waiting]:
        connection.close()


def test_sigterm_while_postgres_hangs(site, start):
    api = start()
    api.wait_status("database up, cache up")
    with stopped(*postgres_pids(site)):
        waiting = http.client.HTTPConnection("127.0.0.1", site.api_port, timeout=60)
        send(waiting, CRYPTOS)
        began = time.monotonic()
        api.terminate()
        assert time.monotonic() - began < 6
        waiting.close()


def test_sigint_ends_it_too(start):
    api = start()
    api.wait_ready()
    api.process.send_signal(signal.SIGINT)
    assert api.wait_exit() == 0
