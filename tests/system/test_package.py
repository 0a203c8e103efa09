"""The packages on a booted Debian: installed, enabled, restarted, upgraded, removed. The tests build
on each other, in this order."""
import re

import pytest

DAEMONS = ["fetcher", "websocket", "api"]
API = "http://localhost:5001/api/v1"
PAGE = "http://localhost:3000"


def has_price(host, seconds=30):
    return host.wait(f"curl -sf {API}/cryptos | grep -q '\"id\":\"bitcoin\"'", seconds)


def all_up(host):
    for daemon in DAEMONS:
        host.wait(f"systemctl is-active -q crypto-pulse-{daemon}.service")


def test_nothing_starts_by_itself(host):
    assert host.run("systemctl is-enabled crypto-pulse.target", check=False).strip() == "disabled"
    assert not host.succeeds("systemctl is-active crypto-pulse-api.socket")
    assert host.run("systemctl --failed --no-legend --plain") == ""
    # The operator's two other services are there at once.
    assert host.succeeds("systemctl is-active -q kafka.service postgresql.service")


def test_units_are_valid(host):
    found = host.run("systemd-analyze verify --man=no crypto-pulse.target crypto-pulse-maintenance.timer"
                     " crypto-pulse-websocket@8081.service kafka.service coingecko-sim.service")
    assert found == ""


@pytest.mark.parametrize("unit, most", [("crypto-pulse-fetcher", 1.1), ("crypto-pulse-websocket", 1.1),
                                        ("crypto-pulse-api", 0.3), ("crypto-pulse-cache", 0.3),
                                        ("crypto-pulse-maintenance", 1.2), ("crypto-pulse-setup", 2.2),
                                        ("kafka", 1.2), ("coingecko-sim", 1.0)])
def test_exposure(host, unit, most):
    last = host.run(f"systemd-analyze security --no-pager {unit}.service").splitlines()[-1]
    assert float(re.search(r": ([0-9.]+) ", last)[1]) <= most


def test_first_price(host):
    host.run("crypto-pulse-simulate on")
    host.run("systemctl enable --now crypto-pulse.target")
    seconds = has_price(host)
    print(f"first price after the target was up: {seconds:.1f} s")
    all_up(host)
    assert '"status":"UP","database":"UP","cache":"UP"' in host.run(f"curl -s {API}/health")
    assert host.run("systemctl --failed --no-legend --plain") == ""
    assert "prices" in host.show("crypto-pulse-websocket", "StatusText")


def test_page(host):
    page = host.run(f"curl -sf {PAGE}/")
    for asset in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page):
        host.run(f"curl -sf -o /dev/null {PAGE}{asset}")
    assert '"websocketPort":8080' in host.run(f"curl -sf {PAGE}/config.json")


def test_setup_again(host):
    assert "up to date" in host.run("crypto-pulse-setup")
    host.run("systemctl start crypto-pulse-maintenance.service")
    tables = host.run("runuser -u crypto-pulse -- psql -tAd crypto-pulse -c '\\dt prices_*'")
    assert len(tables.splitlines()) >= 4


@pytest.mark.parametrize("daemon", DAEMONS)
def test_killed(host, daemon):
    unit = f"crypto-pulse-{daemon}.service"
    before = host.show(unit, "MainPID")
    host.run(f"systemctl kill -s KILL --kill-whom=main {unit}")
    seconds = host.wait(f"systemctl is-active -q {unit} && [ $(systemctl show -P MainPID {unit}) != {before} ]")
    print(f"{unit} back after {seconds:.1f} s")
    assert host.show(unit, "NRestarts") != "0"


def test_socket_activation(host):
    host.run("systemctl stop crypto-pulse-api.service")
    host.run(f"curl -sf --max-time 10 {PAGE}/ >/dev/null")
    assert host.succeeds("systemctl is-active -q crypto-pulse-api.service")


def test_restart_under_load(host):
    with host.load(f"{API}/cryptos", f"{PAGE}/") as load:
        for _ in range(3):
            host.run("systemctl restart crypto-pulse-api.service")
        host.run("systemctl restart crypto-pulse.target")
        all_up(host)
    print(load.result)
    assert load.result["failures"] == []
    assert load.result["unavailable"] == 0


def test_upgrade_under_load(host):
    pids = {d: host.show(f"crypto-pulse-{d}.service", "MainPID") for d in DAEMONS}
    with host.load(f"{API}/health", f"{PAGE}/") as load:
        host.run("DEBIAN_FRONTEND=noninteractive apt-get install -qy --reinstall /root/crypto-pulse_*.deb")
        all_up(host)
    print(load.result)
    assert load.result["failures"] == []
    for daemon in DAEMONS:
        assert host.show(f"crypto-pulse-{daemon}.service", "MainPID") != pids[daemon]


def test_stop_and_start_of_the_target(host):
    host.run("systemctl stop crypto-pulse.target")
    # systemctl returns when the target is down; what belonged to it follows.
    host.wait("test -z \"$(systemctl list-units --no-legend --plain --state=active,deactivating 'crypto-pulse*')\"")
    assert not host.succeeds("curl -s localhost:5001")
    host.run("systemctl start crypto-pulse.target")
    has_price(host)
    assert host.succeeds("systemctl is-active -q crypto-pulse-websocket.socket crypto-pulse-maintenance.timer")


def test_second_stream(host):
    host.run("systemctl start crypto-pulse-websocket@8081.service")
    host.wait("systemctl is-active -q crypto-pulse-websocket@8081.service")
    assert host.run("curl -s -o /dev/null -w '%{http_code}' http://localhost:8081/") == "426"
    host.run("systemctl stop crypto-pulse-websocket@8081.socket crypto-pulse-websocket@8081.service")


@pytest.mark.parametrize("how", ["", "--encrypt"])
def test_key(host, how):
    host.run(f"crypto-pulse-set-key {how} coingecko-api-key", stdin="CG-secret-of-the-test\n")
    host.wait("systemctl is-active -q crypto-pulse-fetcher.service")
    pid = host.show("crypto-pulse-fetcher.service", "MainPID")
    assert host.run("cat /run/credentials/crypto-pulse-fetcher.service/coingecko-api-key").strip() == \
        "CG-secret-of-the-test"
    assert "CG-secret" not in host.run(f"cat /proc/{pid}/environ /proc/{pid}/cmdline | tr '\\0' ' '")
    modes = host.run("stat -c '%a %U %n' /etc/crypto-pulse/credentials /etc/crypto-pulse/credentials/*")
    assert [line.split()[0] for line in modes.splitlines()] == ["700", "600"]
    if how:
        assert "CG-secret" not in host.run("cat /etc/crypto-pulse/credentials/*")


def test_key_removed(host):
    host.run("crypto-pulse-set-key --remove coingecko-api-key")
    host.wait("systemctl is-active -q crypto-pulse-fetcher.service")
    assert host.run("ls -A /etc/crypto-pulse/credentials") == ""
    assert not host.succeeds("test -e /etc/systemd/system/crypto-pulse-fetcher.service.d/coingecko-api-key.conf")


def test_reload(host):
    conf = "/etc/crypto-pulse/crypto-pulse.conf"
    host.run(f"cp {conf} /root/conf.before; sed -i 's/# coins = .*/coins = [\"top:7\"];/' {conf}")
    pid = host.show("crypto-pulse-fetcher.service", "MainPID")
    host.run("systemctl reload crypto-pulse-fetcher.service")
    host.wait("journalctl -q -u crypto-pulse-fetcher.service -g 'configuration is reloaded' | grep -q reloaded")
    host.run(f"sed -i 's/^coins = .*/coins = 7;/' {conf}; systemctl reload crypto-pulse-fetcher.service", check=False)
    host.wait("journalctl -u crypto-pulse-fetcher -p err -g 'coins' -q --no-pager | grep -q crypto-pulse.conf:")
    assert host.show("crypto-pulse-fetcher.service", "MainPID") == pid
    host.run(f"cp /root/conf.before {conf}; systemctl reload crypto-pulse-fetcher.service")


def test_database_away(host):
    host.run("systemctl stop postgresql.service 'postgresql@*'")
    host.wait("systemctl show -P StatusText crypto-pulse-websocket.service | grep -q PostgreSQL")
    host.run("systemctl start postgresql.service")
    host.wait(f"curl -sf {API}/health")


def test_operator_made_it_impossible(host):
    host.run("runuser -u postgres -- psql -qc 'ALTER ROLE \"crypto-pulse\" NOLOGIN'")
    assert not host.succeeds("systemctl restart crypto-pulse-setup.service")
    assert host.show("crypto-pulse-setup.service", "ActiveState") == "failed"
    entries = host.journal("-u crypto-pulse-setup.service -p err -n 5")
    assert any("may not log in" in e["MESSAGE"] for e in entries)
    host.run("runuser -u postgres -- psql -qc 'ALTER ROLE \"crypto-pulse\" LOGIN'")
    host.run("systemctl restart crypto-pulse-setup.service")


def test_boot_without_database_and_kafka(host):
    """The target is reached; what is missing is told."""
    host.run("systemctl stop crypto-pulse.target kafka.service postgresql.service 'postgresql@*'")
    host.run("systemctl start --no-block crypto-pulse.target")
    host.wait("systemctl show -P StatusText crypto-pulse-setup.service | grep -q 'Waiting for PostgreSQL'")
    host.run("systemctl start postgresql.service")
    host.wait("systemctl is-active -q crypto-pulse-setup.service")
    host.wait("systemctl show -P StatusText crypto-pulse-fetcher.service | grep -q 'Waiting for Kafka'")
    host.run("systemctl start kafka.service")
    all_up(host)


def test_changed_conffile_is_kept(host):
    host.run("echo '# mine' >>/etc/crypto-pulse/crypto-pulse.conf")
    host.run("DEBIAN_FRONTEND=noninteractive apt-get install -qy --reinstall /root/crypto-pulse_*.deb")
    assert host.succeeds("grep -q '^# mine' /etc/crypto-pulse/crypto-pulse.conf")


def test_remove_keeps_data(host):
    host.run("echo secret | crypto-pulse-set-key coingecko-api-key")
    host.run("DEBIAN_FRONTEND=noninteractive apt-get remove -qy crypto-pulse-sim")
    host.run("DEBIAN_FRONTEND=noninteractive apt-get remove -qy crypto-pulse")
    assert host.run("systemctl list-units --no-legend --plain --state=active 'crypto-pulse*'") == ""
    host.run("test -e /etc/crypto-pulse/crypto-pulse.conf -a -e /etc/crypto-pulse/credentials/coingecko-api-key")
    host.run("test -d /var/lib/crypto-pulse")


def test_purge(host):
    said = host.run("DEBIAN_FRONTEND=noninteractive apt-get purge -qy crypto-pulse crypto-pulse-sim")
    assert "dropdb crypto-pulse" in said
    host.run("test ! -e /etc/crypto-pulse -a ! -e /var/lib/crypto-pulse")
    assert host.run("find /etc/systemd /var/lib/systemd -name '*crypto-pulse*' -o -name '*coingecko*'"
                    " | grep -v /timers/ || true") == ""
    assert int(host.run("runuser -u postgres -- psql -tAd crypto-pulse -c 'SELECT count(*) FROM prices'")) > 0
    host.run("DEBIAN_FRONTEND=noninteractive apt-get purge -qy kafka")
    host.run("test ! -e /etc/kafka -a ! -e /var/lib/kafka -a ! -e /var/cache/kafka")
