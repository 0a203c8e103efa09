"""The packages on a fresh Debian: installed, enabled, upgraded, removed. The tests build on each
other, in this order."""
import re

import pytest
from checks import DropIn, all_up
from conftest import API, DAEMONS, PAGE, STREAM

APT = "DEBIAN_FRONTEND=noninteractive apt-get -qy"


@pytest.fixture
def host(installed_host):
    return installed_host


def test_install(host):
    """apt has brought PostgreSQL and Redis, too; `container make` has left what it saw."""
    before = set(host.run("cat /root/packages-before").split())
    sizes = dict(line.split() for line in host.run("cat /root/packages-after").splitlines())
    added, ours = set(sizes) - before, {"crypto-pulse", "crypto-pulse-sim", "kafka"}
    assert ours | {"postgresql", "redis-server"} <= added
    print("installed size: " + ", ".join(f"{name} {int(sizes[name])} kB" for name in sorted(ours)) +
          f"; with the {len(added - ours)} packages pulled in {sum(int(sizes[name]) for name in added) // 1024} MB")


def test_nothing_starts_by_itself(host):
    after = {line.split()[0]: line.split()[2] for line in host.run("cat /root/units-after").splitlines()}
    assert not [unit for unit, state in after.items() if unit.startswith("crypto-pulse") and state == "active"]
    # The operator's two other services are there at once.
    assert after["kafka.service"] == after["postgresql.service"] == after["redis-server.service"] == "active"
    assert "failed" not in after.values()
    # And after a boot.
    assert host.run("systemctl is-enabled crypto-pulse.target", check=False).strip() == "disabled"
    assert not host.succeeds("systemctl is-active crypto-pulse-api.socket")
    assert host.run("systemctl --failed --no-legend --plain") == ""
    assert host.succeeds("systemctl is-active -q kafka.service postgresql.service")


def test_units_are_valid(host):
    found = host.run("systemd-analyze verify --man=no crypto-pulse.target crypto-pulse-maintenance.timer"
                     " crypto-pulse-websocket@8081.service kafka.service coingecko-sim.service")
    assert found == ""


@pytest.mark.parametrize("unit, most", [("crypto-pulse-fetcher", 1.1), ("crypto-pulse-websocket", 1.1),
                                        ("crypto-pulse-api", 0.3), ("crypto-pulse-cache", 0.3),
                                        ("crypto-pulse-maintenance", 1.2), ("crypto-pulse-setup", 2.3),
                                        ("kafka", 1.2), ("coingecko-sim", 1.0)])
def test_exposure(host, unit, most):
    last = host.run(f"systemd-analyze security --no-pager {unit}.service").splitlines()[-1]
    exposure = float(re.search(r": ([0-9.]+) ", last)[1])
    print(f"systemd-analyze security {unit}: {exposure}")
    assert exposure <= most


def test_first_price(host):
    host.run("crypto-pulse-simulate on")
    host.copy("stream.py")
    # The socket answers as soon as it is there; the first message is the first price.
    seconds = host.run("began=$(date +%s%N) && systemctl enable -q --now crypto-pulse.target &&"
                       " python3 /root/stream.py --first >/dev/null &&"
                       " echo $((($(date +%s%N) - began) / 1000000)) ms").strip()
    print(f"first price on the stream after `systemctl enable --now crypto-pulse.target`: {seconds}")
    host.wait_for_price()
    all_up(host)
    assert '"status":"UP","database":"UP","cache":"UP"' in host.run(f"curl -s {API}/health")
    assert host.run("systemctl --failed --no-legend --plain") == ""


def test_page(host):
    page = host.run(f"curl -sf {PAGE}/")
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
    assert assets
    for asset in assets:
        host.run(f"curl -sf -o /dev/null {PAGE}{asset}")
    assert '"websocketPort":8080' in host.run(f"curl -sf {PAGE}/config.json")


def test_nginx_example(host):
    """In front of it, with TLS: page, API and live stream."""
    host.run("sed 's|/etc/letsencrypt/live/prices.example.org/fullchain|/etc/ssl/certs/ssl-cert-snakeoil|;"
             " s|/etc/letsencrypt/live/prices.example.org/privkey.pem|/etc/ssl/private/ssl-cert-snakeoil.key|'"
             " /usr/share/doc/crypto-pulse/examples/nginx.conf >/etc/nginx/sites-enabled/crypto-pulse &&"
             " nginx -t && systemctl restart nginx.service")
    site = "https://prices.example.org"
    curl = "curl -sk --resolve prices.example.org:443:127.0.0.1"
    assert '<div id="root">' in host.run(f"{curl} -f {site}/")
    assert '"status":"UP"' in host.run(f"{curl} -f {site}/api/v1/health")
    upgrade = ("-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'"
               " -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='")  # RFC 6455 section 1.3
    host.run(f"{curl} --http1.1 {upgrade} -iN --max-time 3 {site}/stream >/root/stream", check=False)
    assert host.run("head -c 12 /root/stream") == "HTTP/1.1 101"
    assert host.succeeds("grep -aq '\"coinId\":\"bitcoin\"' /root/stream")
    host.run("systemctl stop nginx.service")


def test_setup_again(host):
    said = host.run("crypto-pulse-setup")
    assert "is up to date" in said and "topic is there" in said
    assert "cannot be used" not in said
    host.run("systemctl start crypto-pulse-maintenance.service")
    tables = host.run("runuser -u crypto-pulse -- psql -tAd crypto-pulse -c '\\dt prices_*'")
    assert len(tables.splitlines()) >= 4


def test_long_migration(host):
    """It outlasts the unit's timeout, because setup asks for more time. Without that it would not."""
    slow = "/usr/share/crypto-pulse/sql/900_slow.sql"
    forget = "runuser -u crypto-pulse -- psql -Xqd crypto-pulse -c \"DELETE FROM schema_migrations WHERE name = '900_slow'\""
    host.run(f"echo 'SELECT pg_sleep(8);' >{slow}")
    with DropIn(host, "setup", "TimeoutStartSec=3s", "Restart=no", "NotifyAccess=none"):
        assert host.show("crypto-pulse-setup.service", "Result") == "timeout"
        assert not host.succeeds(f"{forget} | grep .")
    with DropIn(host, "setup", "TimeoutStartSec=3s"):
        assert host.show("crypto-pulse-setup.service", "ActiveState") == "active"
        assert "up to date" in host.show("crypto-pulse-setup.service", "StatusText")
    host.run(f"rm {slow} && {forget}")


def test_upgrade_under_load(host):
    pids = {d: host.show(f"crypto-pulse-{d}.service", "MainPID") for d in DAEMONS}
    host.run("dpkg-deb -R /root/packages/crypto-pulse_*.deb /root/next &&"
             " sed -i 's/^Version: .*/&+next/' /root/next/DEBIAN/control && dpkg-deb -b /root/next /root/next.deb")
    with host.load(f"{API}/health", f"{API}/cryptos", f"{PAGE}/", STREAM) as load:
        host.run(f"{APT} install /root/next.deb")
        all_up(host)
    print(f"upgrade under load: {load.result}")
    assert load.result["failures"] == []
    assert load.result["unavailable"] == 0
    for daemon in DAEMONS:
        assert host.show(f"crypto-pulse-{daemon}.service", "MainPID") != pids[daemon]


def test_stop_and_start_of_the_target(host):
    host.run("systemctl stop crypto-pulse.target")
    # systemctl returns when the target is down; what belonged to it follows.
    host.wait("test -z \"$(systemctl list-units --no-legend --plain --state=active,deactivating 'crypto-pulse*')\"")
    assert not host.succeeds("curl -s localhost:5001")
    host.run("systemctl start crypto-pulse.target")
    host.wait_for_price()
    assert host.succeeds("systemctl is-active -q crypto-pulse-websocket.socket crypto-pulse-maintenance.timer")


def test_second_stream(host):
    """It belongs to the target; its socket stays open through a restart."""
    socket, service = "crypto-pulse-websocket@8081.socket", "crypto-pulse-websocket@8081.service"
    host.run(f"systemctl enable -q --now {socket} {service}")
    host.wait(f"systemctl is-active -q {service}")
    before = host.show(socket, "InvocationID"), host.show(service, "InvocationID")
    host.run("systemctl restart crypto-pulse.target")
    host.wait(f"systemctl is-active -q {service}")
    assert host.run("curl -s -o /dev/null -w '%{http_code}' http://localhost:8081/") == "426"
    assert host.show(socket, "InvocationID") == before[0]
    assert host.show(service, "InvocationID") != before[1]
    host.run("systemctl stop crypto-pulse.target")
    host.wait(f"! systemctl is-active -q {socket} && ! systemctl is-active -q {service}")
    host.run(f"systemctl start crypto-pulse.target && systemctl is-active -q {socket}")
    host.run(f"systemctl disable -q {socket} {service} && systemctl stop {socket} {service}")
    all_up(host)


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
    # It reaches the source, where its header is seen.
    host.wait("curl -s http://127.0.0.1:18400/sim/log | tail -c 2000 | grep -q x-cg-demo-api-key")


def test_key_removed(host):
    host.run("crypto-pulse-set-key --remove coingecko-api-key")
    host.wait("systemctl is-active -q crypto-pulse-fetcher.service")
    assert host.run("ls -A /etc/crypto-pulse/credentials") == ""
    assert not host.succeeds("test -e /etc/systemd/system/crypto-pulse-fetcher.service.d/coingecko-api-key.conf")


def test_secrets_are_not_logged(host):
    assert not host.succeeds("journalctl --no-pager -o export | grep -aq CG-secret")


def test_changed_conffile_is_kept(host):
    host.run("echo '# mine' >>/etc/crypto-pulse/crypto-pulse.conf")
    host.run(f"{APT} install --reinstall /root/next.deb")
    assert host.succeeds("grep -q '^# mine' /etc/crypto-pulse/crypto-pulse.conf")


def test_remove_keeps_data(host):
    host.run("echo secret | crypto-pulse-set-key coingecko-api-key")
    host.run("systemctl enable -q crypto-pulse-websocket@8082.socket crypto-pulse-websocket@8082.service")
    host.run(f"{APT} remove crypto-pulse-sim")
    host.run(f"{APT} remove crypto-pulse")
    assert host.run("systemctl list-units --no-legend --plain --state=active 'crypto-pulse*'") == ""
    host.run("test -e /etc/crypto-pulse/crypto-pulse.conf -a -e /etc/crypto-pulse/credentials/coingecko-api-key")
    host.run("test -d /var/lib/crypto-pulse")


def test_purge(host):
    said = host.run(f"{APT} purge crypto-pulse crypto-pulse-sim")
    assert "dropdb crypto-pulse" in said
    host.run("test ! -e /etc/crypto-pulse -a ! -e /var/lib/crypto-pulse")
    assert host.run("find /etc/systemd /var/lib/systemd -name '*crypto-pulse*' -o -name '*coingecko*'"
                    " | grep -v /timers/ || true") == ""
    assert int(host.run("runuser -u postgres -- psql -tAd crypto-pulse -c 'SELECT count(*) FROM prices'")) > 0
    host.run(f"{APT} purge kafka")
    host.run("test ! -e /etc/kafka -a ! -e /var/lib/kafka -a ! -e /var/cache/kafka")
