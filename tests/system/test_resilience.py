"""All of it runs: killed, hung, restarted, reloaded, left by its clients. The tests build on each
other, in this order."""
import json
import re
import time

import pytest
from checks import (Configuration, DropIn, all_up, assert_all_kept, entries, in_database, mark, wait_for_event,
                    wait_for_new_prices, wait_for_status)
from conftest import API, DAEMONS, PAGE, STREAM

CLIENTS = 1000
RENEWED_S = 10  # the simulator renews each price so often


@pytest.fixture
def host(running_host):
    return running_host


def test_status_is_a_dashboard(host):
    """Coins, the age of the newest price, what is still to be done, clients, requests."""
    print(wait_for_status(host, "fetcher", r"100 prices tracked, last answer \d+ s ago"))
    print(wait_for_status(host, "websocket", r"\d+ clients, 100 prices, newest \d+ s old; all persisted"))
    print(wait_for_status(host, "api", r"database up, cache up, \d+ requests"))
    print(wait_for_status(host, "setup", "up to date"))


@pytest.mark.parametrize("daemon", DAEMONS)
def test_killed(host, daemon):
    unit = f"crypto-pulse-{daemon}.service"
    before = host.show(unit, "MainPID")
    killed = time.monotonic()
    host.run(f"systemctl kill -s KILL --kill-whom=main {unit}")
    host.wait(f"systemctl is-active -q {unit} && [ $(systemctl show -P MainPID {unit}) != {before} ]")
    back = int(host.show(unit, "ActiveEnterTimestampMonotonic")) / 1e6 - killed
    print(f"{unit} back {back:.2f} s after kill -9")
    assert host.show(unit, "NRestarts") == "1"
    assert 0 < back < 10


def seconds_of(timestamp):
    return float(timestamp[17:-1]) + 60 * int(timestamp[14:16]) + 3600 * int(timestamp[11:13])


def test_nothing_was_lost(host):
    """Each price that the simulator has given out since the start of the target, in spite of the kills:
    one in each RENEWED_S of each coin."""
    wait_for_new_prices(host)
    print(f"{assert_all_kept(host)} prices published, each in the database once")
    times = {}
    for coin, currency, at, _ in in_database(host):
        times.setdefault((coin, currency), []).append(seconds_of(at))
    assert len(times) == 100
    for pair, of_pair in times.items():
        of_pair.sort()
        steps = {round((b - a) % 86400, 3) for a, b in zip(of_pair, of_pair[1:])}
        assert steps <= {RENEWED_S}, f"{pair}: {steps}"


@pytest.mark.parametrize("daemon", DAEMONS)
def test_hung(host, daemon):
    """It is alive, but does nothing: the watchdog notices."""
    unit = f"crypto-pulse-{daemon}.service"
    with DropIn(host, daemon, "WatchdogSec=3s"):
        before, since = host.show(unit, "MainPID"), mark(host)
        host.run(f"systemctl kill -s STOP --kill-whom=main {unit}")
        host.wait(f"systemctl is-active -q {unit} && [ $(systemctl show -P MainPID {unit}) != {before} ]", 60)
        assert any("Watchdog timeout" in e["MESSAGE"] for e in entries(host, since, f"UNIT={unit}"))
    wait_for_new_prices(host)
    assert_all_kept(host)


def test_watchdog_leaves_the_busy_alone(host):
    for daemon in DAEMONS:
        assert host.show(f"crypto-pulse-{daemon}.service", "WatchdogUSec") == "30s"
        assert host.show(f"crypto-pulse-{daemon}.service", "NRestarts") == "0"


@pytest.mark.parametrize("daemon, url, answer", [("api", f"{API}/health", "200"), ("api", f"{PAGE}/", "200"),
                                                 ("websocket", "http://localhost:8080/", "426")])
def test_socket_activation(host, daemon, url, answer):
    """The service is stopped, its socket is not: the first request starts it and is answered."""
    host.run(f"systemctl stop crypto-pulse-{daemon}.service")
    assert host.run(f"curl -s -o /dev/null -w '%{{http_code}}' --max-time 30 {url}") == answer
    host.wait(f"systemctl is-active -q crypto-pulse-{daemon}.service")


def test_restart_under_load(host):
    with host.load(f"{API}/cryptos", f"{PAGE}/", STREAM) as load:
        for _ in range(5):
            host.run("systemctl restart crypto-pulse-api.service")
            host.run("systemctl restart crypto-pulse-websocket.service")
        for _ in range(3):
            host.run("systemctl restart crypto-pulse.target")
        all_up(host)
    print(f"restarts under load: {load.result}")
    assert load.result["failures"] == []
    assert load.result["unavailable"] == 0


@pytest.mark.parametrize("verb, code", [("restart", "1012"), ("stop", "1001")])
def test_end_with_many_clients(host, verb, code):
    host.copy("stream.py")
    clients = host.start("python3", "/root/stream.py", str(CLIENTS))
    assert clients.stdout.readline() == "open\n"
    wait_for_status(host, "websocket", f"{CLIENTS} clients")
    began = time.monotonic()
    # A stop is one of the socket, too: else the clients would start it again.
    host.run(f"systemctl {verb} crypto-pulse-websocket.service" + " crypto-pulse-websocket.socket" * (verb == "stop"))
    took = time.monotonic() - began
    print(f"{verb} with {CLIENTS} clients: {took:.2f} s")
    codes, _ = clients.communicate(timeout=60)
    assert json.loads(codes) == {code: CLIENTS}
    if verb == "stop":
        assert took < 5
        assert host.show("crypto-pulse-websocket.service", "Result") == "success"
        host.run("systemctl start crypto-pulse-websocket.socket crypto-pulse-websocket.service")


def test_all_was_committed_at_the_end(host):
    wait_for_new_prices(host)
    host.run("systemctl stop crypto-pulse-fetcher.service")
    assert_all_kept(host)
    # What the producer had, too: nothing may come afterwards.
    count = len(in_database(host))
    host.run("systemctl stop crypto-pulse-websocket.service && systemctl start crypto-pulse-websocket.service")
    wait_for_status(host, "websocket", "all persisted")
    assert len(in_database(host)) == count
    host.run("systemctl start crypto-pulse-fetcher.service")


def test_reload(host):
    """Coins and interval are swapped whole."""
    pid, since = host.show("crypto-pulse-fetcher.service", "MainPID"), mark(host)
    with Configuration(host, 'coins = ["top:7"];', 'log_level = "debug";'):
        host.run("systemctl reload crypto-pulse-fetcher.service")
        host.wait(f"journalctl -q -u crypto-pulse-fetcher.service --since=@{since} -g 'configuration is reloaded'")
        wait_for_status(host, "fetcher", "^7 prices tracked")
    host.run("systemctl reload crypto-pulse-fetcher.service")
    wait_for_status(host, "fetcher", "^100 prices tracked")
    assert host.show("crypto-pulse-fetcher.service", "MainPID") == pid


@pytest.mark.parametrize("daemon", DAEMONS)
def test_reload_of_a_bad_file(host, daemon):
    """The old one stays; the line is told."""
    unit = f"crypto-pulse-{daemon}.service"
    pid, since = host.show(unit, "MainPID"), mark(host)
    with Configuration(host, "# the next line is wrong", "coins = 7;"):
        line = int(host.run(f"wc -l <{Configuration.FILE}"))
        host.run(f"systemctl reload {unit}", check=False)
        entry = wait_for_event(host, since, "CONFIGURATION_REJECTED", daemon, PRIORITY="3")
        assert re.search(rf"crypto-pulse\.conf:{line}: .*coins", entry["MESSAGE"])
    assert host.show(unit, "MainPID") == pid
    assert host.show(unit, "ActiveState") == "active"
    host.run(f"systemctl reload {unit}")


def test_each_can_be_restarted_alone(host):
    for daemon in DAEMONS:
        others = [f"crypto-pulse-{other}.service" for other in DAEMONS if other != daemon]
        before = [host.show(other, "MainPID") for other in others]
        host.run(f"systemctl restart crypto-pulse-{daemon}.service")
        assert [host.show(other, "MainPID") for other in others] == before
    wait_for_new_prices(host)
    assert_all_kept(host)
