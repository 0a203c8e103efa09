"""What an operator can get wrong and what can happen to a host: each ends in a clear entry of the
journal with its explanation, a status that says it, and no price lost or doubled."""
import time
from datetime import datetime, timedelta, timezone

import pytest
from checks import (DATABASE, EVENTS, PATIENCE, Configuration, DropIn, all_up, assert_all_kept, entries, in_database,
                    mark, on_topic, wait_for_event, wait_for_new_prices, wait_for_status)
from conftest import API, DAEMONS, PAGE

PRODUCE = "kcat -P -b localhost:9092 -t crypto-updates -k bitcoin"


@pytest.fixture
def host(running_host):
    return running_host


@pytest.fixture(autouse=True)
def all_is_well_afterwards(host):
    yield
    host.run("systemctl reset-failed; systemctl start crypto-pulse.target")
    all_up(host)
    wait_for_new_prices(host)
    assert_all_kept(host)


def refused(host, daemon, said):
    """A start that must fail at once, and not be tried again."""
    unit = f"crypto-pulse-{daemon}.service"
    since = mark(host)
    assert not host.succeeds(f"systemctl restart {unit}")
    entry = wait_for_event(host, since, "CONFIGURATION_REJECTED", daemon, PRIORITY="3")
    assert said in entry["MESSAGE"]
    assert said in wait_for_status(host, daemon, ".")
    assert host.show(unit, "ActiveState", "ExecMainStatus", "NRestarts") == \
        {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}


@pytest.mark.parametrize("daemon", DAEMONS)
def test_typo(host, daemon):
    with Configuration(host, 'log_levle = "info";'):
        line = int(host.run(f"wc -l <{Configuration.FILE}"))
        refused(host, daemon, f"crypto-pulse.conf:{line}: ")
    host.run(f"systemctl restart crypto-pulse-{daemon}.service")


def test_last_words(host):
    """Of a daemon that ends at once are shown by -u, though journald is slow to read them."""
    with Configuration(host, 'log_levle = "info";'):
        since = mark(host)
        host.run("(sleep 0.5; pkill -CONT systemd-journal) & pkill -STOP systemd-journal;"
                 " systemctl restart crypto-pulse-fetcher.service", check=False)
        wait_for_event(host, since, "CONFIGURATION_REJECTED", "fetcher")
    host.run("systemctl restart crypto-pulse-fetcher.service")


def test_typo_and_a_client(host):
    """A request does not start in vain again and again what cannot start."""
    with Configuration(host, "api = 5;"):
        host.run("systemctl stop crypto-pulse-api.service")
        assert not host.succeeds(f"curl -sf --max-time 5 {API}/health")
        wait_for_status(host, "api", "crypto-pulse.conf:")
    host.run("systemctl reset-failed; systemctl restart crypto-pulse-api.socket crypto-pulse-frontend.socket"
             " crypto-pulse-api.service")
    host.wait(f"curl -sf {API}/health")


def test_missing_credential(host):
    """A plan that needs a key, and none is there."""
    with Configuration(host, coingecko='plan = "demo"'):
        refused(host, "fetcher", "coingecko.api_key")
        host.run("echo CG-now-there-is-one | crypto-pulse-set-key coingecko-api-key")
        host.run("systemctl restart crypto-pulse-fetcher.service")
        wait_for_status(host, "fetcher", r"^\d+ prices tracked")
    host.run("crypto-pulse-set-key --remove coingecko-api-key")


def test_missing_secret_file(host):
    with Configuration(host, postgres='password_file = "/etc/crypto-pulse/no-such-file"'):
        for daemon in ("websocket", "api"):
            refused(host, daemon, "/etc/crypto-pulse/no-such-file")
    host.run("systemctl restart crypto-pulse-websocket.service crypto-pulse-api.service")


def test_secret_file_of_the_daemons(host):
    """As the configuration recommends it: only their user can read it. Setup can, too."""
    host.run("echo unused | install -o crypto-pulse -m 400 /dev/stdin /etc/crypto-pulse/of-the-daemons")
    with Configuration(host, postgres='password_file = "/etc/crypto-pulse/of-the-daemons"'):
        for part in ("setup", "websocket"):
            host.run(f"systemctl restart crypto-pulse-{part}.service")
        wait_for_status(host, "setup", "up to date")
        wait_for_status(host, "websocket", "all persisted")
    host.run("rm /etc/crypto-pulse/of-the-daemons; systemctl restart crypto-pulse-websocket.service")


def test_wrong_password(host):
    since = mark(host)
    host.run("echo wrong | crypto-pulse-set-key postgres-password")
    with DropIn(host, "websocket", "Environment=POSTGRES_HOST=127.0.0.1"):
        entry = wait_for_event(host, since, "DATABASE_UNREACHABLE", "websocket")
        assert "password authentication failed" in entry["MESSAGE"]
        wait_for_status(host, "websocket", "PostgreSQL.*password")
    # And of the one who sets the database up:
    since = mark(host)
    with DropIn(host, "setup", "Environment=POSTGRES_HOST=127.0.0.1"):
        entry = wait_for_event(host, since, "SETUP_REFUSED", "setup", PRIORITY="3")
        wait_for_status(host, "setup", "crypto-pulse")
    host.run("crypto-pulse-set-key --remove postgres-password")


def test_right_password(host):
    """The same way, and it is let in."""
    host.run("runuser -u postgres -- psql -qc \"ALTER ROLE \\\"crypto-pulse\\\" PASSWORD 'right'\"")
    host.run("echo right | crypto-pulse-set-key --encrypt postgres-password")
    with DropIn(host, "websocket", "Environment=POSTGRES_HOST=127.0.0.1"):
        wait_for_status(host, "websocket", "all persisted")
        wait_for_new_prices(host)
    host.run("crypto-pulse-set-key --remove postgres-password")


def test_wrong_redis_password(host):
    host.run("redis-cli -s /run/crypto-pulse-cache/redis.sock CONFIG SET requirepass right")
    since = mark(host)
    host.run("echo wrong | crypto-pulse-set-key redis-password")
    host.run(f"curl -sf {API}/cryptos")
    wait_for_event(host, since, "CACHE_UNREACHABLE", "api")
    wait_for_status(host, "api", "cache DOWN")
    host.run("echo right | crypto-pulse-set-key redis-password")
    host.run(f"curl -sf {API}/cryptos")
    wait_for_status(host, "api", "cache up")
    host.run("systemctl restart crypto-pulse-cache.service && crypto-pulse-set-key --remove redis-password")


def burst(host, number):
    """Prices of the last hours."""
    now = datetime.now(timezone.utc)
    host.run(PRODUCE, stdin="".join(
        f'{{"price":{n + 1},"currency":"eur","timestamp":"{now - timedelta(seconds=n):%FT%T}.000Z"}}\n'
        for n in range(number)))


def test_start_without_database(host):
    """The daemons are not held back: prices are on the topic before PostgreSQL is there."""
    host.run("systemctl stop crypto-pulse.target postgresql.service 'postgresql@*'")
    before = on_topic(host)
    host.run("systemctl start --no-block crypto-pulse.target")
    wait_for_status(host, "setup", "Waiting for PostgreSQL")
    wait_for_status(host, "fetcher", r"^\d+ prices tracked")
    host.wait("systemctl is-active -q crypto-pulse-api.service crypto-pulse-websocket.service")
    assert on_topic(host) > before
    assert "Waiting for PostgreSQL" in host.show("crypto-pulse-setup.service", "StatusText")
    host.run("systemctl start postgresql.service")
    wait_for_status(host, "setup", "up to date")
    assert host.show("crypto-pulse-setup.service", "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}


def test_full_disk(host):
    """Of the database: nothing is passed over, and all is written when there is room."""
    data = "/var/lib/postgresql"
    host.run("systemctl stop postgresql.service 'postgresql@*' && "
             f"cp -a {data} /root/data &&"
             f" mount -t tmpfs -o size=$(($(du -sm {data} | cut -f 1) + 40))M,mode=755 none {data} &&"
             f" chown postgres: {data} && cp -a /root/data/. {data} && systemctl start postgresql.service")
    wait_for_status(host, "websocket", "all persisted")
    since = mark(host)
    host.run(f"dd if=/dev/zero of={data}/full bs=64k; dd if=/dev/zero of={data}/full2 bs=1k", check=False)
    burst(host, 20000)
    entry = wait_for_event(host, since, "DATABASE_UNREACHABLE", "websocket")
    print(entry["MESSAGE"])
    wait_for_status(host, "websocket", "persister waits for PostgreSQL")
    host.run(f"rm {data}/full {data}/full2; systemctl restart postgresql.service")
    wait_for_status(host, "websocket", "all persisted")
    assert not entries(host, since, f"MESSAGE_ID={EVENTS['POISON_MESSAGE']}")
    assert_all_kept(host)
    host.run("systemctl stop postgresql.service 'postgresql@*' && rm -r /root/data && "
             f"cp -a {data} /root/data && umount {data} && rm -rf {data} && mv /root/data {data} &&"
             " systemctl start postgresql.service")
    wait_for_status(host, "websocket", "all persisted")


class TakenPort:
    """Another program has the port while the block runs; SOCKETS and UNIT come too late."""

    def __init__(self, host, port, unit, *sockets):
        self.host, self.port, self.units = host, port, " ".join((*sockets, unit))

    def __enter__(self):
        self.host.run(f"systemctl stop {self.units}")
        self.other = self.host.start("python3", "-m", "http.server", "--bind", "127.0.0.1", str(self.port))
        self.host.wait(f"ss -ltn | grep -q 127.0.0.1:{self.port}")
        return self

    def __exit__(self, *_):
        self.host.run(f"pkill -f '^python3 -m http.server --bind 127.0.0.1 {self.port}'")
        self.other.wait(timeout=30)


def test_taken_port(host):
    """The socket cannot be made: nothing pretends to serve it. It comes back by itself."""
    unit = "crypto-pulse-websocket.service"
    with TakenPort(host, 8080, unit, "crypto-pulse-websocket.socket"):
        since = mark(host)
        host.run("systemctl restart crypto-pulse.target", check=False)
        wait_for_event(host, since, "CANNOT_LISTEN", "websocket", PRIORITY="3")
        wait_for_status(host, "websocket", "8080")
        assert host.show(unit, "ActiveState") != "active"
    host.copy("stream.py")
    host.wait("python3 /root/stream.py --first")


@pytest.mark.parametrize("port, other", [(3000, f"{API}/health"), (5001, f"{PAGE}/api/v1/health")])
def test_taken_port_of_the_api(host, port, other):
    """The other one is served without it; both are when the socket can be made."""
    with TakenPort(host, port, "crypto-pulse-api.service", "crypto-pulse-frontend.socket", "crypto-pulse-api.socket"):
        since = mark(host)
        host.run("systemctl restart crypto-pulse.target", check=False)
        wait_for_event(host, since, "CANNOT_LISTEN", "api", PRIORITY="3")
        wait_for_status(host, "api", f"Serving;.*port {port}")
        host.run(f"curl -sf {other}")
    host.run("systemctl restart crypto-pulse-api.service")
    host.run(f"curl -sf {PAGE}/ && curl -sf {API}/health")


def test_moved_port(host):
    """As the comment in the unit says."""
    file = "/etc/systemd/system/crypto-pulse-frontend.socket.d/override.conf"
    restart = ("systemctl daemon-reload &&"
               " systemctl stop crypto-pulse-frontend.socket && systemctl restart crypto-pulse-api.service")
    host.run(f"mkdir -p $(dirname {file}) && printf '[Socket]\\nListenStream=\\nListenStream=3100\\n' >{file} && {restart}")
    host.run(f"curl -sf http://127.0.0.1:3100/ && curl -sf {API}/health")
    assert not host.succeeds(f"curl -s {PAGE}/")
    host.run(f"rm {file} && {restart}")
    host.run(f"curl -sf {PAGE}/")


def test_taken_port_of_kafka(host):
    """The unit does not take another server for its own, and comes up when that is gone."""
    with TakenPort(host, 9092, "kafka.service"):
        assert not host.succeeds("systemctl start kafka.service")
    host.wait("systemctl is-active -q kafka.service", PATIENCE)
    wait_for_new_prices(host)


def test_clock_jumps_back(host):
    """Of the fetcher and the websocket, by an hour; the source and the rest of the host have the right time."""
    library = host.run("dpkg -L libfaketime | grep /libfaketime.so.1$").strip()
    host.run("echo +0 >/etc/clock")
    lines = (f"Environment=LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE=/etc/clock FAKETIME_CACHE_DURATION=1"
             " DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_RESET=1",)
    with DropIn(host, "fetcher", *lines), DropIn(host, "websocket", *lines):
        wait_for_new_prices(host)
        since = mark(host)
        host.run("echo -3600 >/etc/clock")
        entry = wait_for_event(host, since, "CLOCK_BEHIND", "fetcher", AHEAD_S=None)
        assert 3500 < int(entry["AHEAD_S"]) < 3700
        wait_for_status(host, "fetcher", "(?i)clock")
        wait_for_new_prices(host)
        assert_all_kept(host)
        host.run("echo -259200 >/etc/clock")  # and by days: more than a source may be ahead otherwise
        time.sleep(15)  # an answer that is parsed with the old clock may be on its way
        wait_for_new_prices(host)
        wait_for_status(host, "fetcher", "(?i)clock")
        assert_all_kept(host)
        host.run("echo +0 >/etc/clock")
        wait_for_status(host, "fetcher", r"^\d+ prices tracked")


def test_older_backup(host):
    """PostgreSQL is restored from one while all goes on: the offsets in it are in the past."""
    host.run("runuser -u postgres -- pg_dump -Fc -f /tmp/backup crypto-pulse")
    wait_for_new_prices(host)
    wait_for_status(host, "websocket", "all persisted")
    before, since = set(in_database(host)), mark(host)
    host.run("runuser -u postgres -- sh -c 'dropdb --force crypto-pulse && createdb -T template0 -E UTF8 --locale C"
             " -O crypto-pulse crypto-pulse && pg_restore -1 -d crypto-pulse /tmp/backup'")
    wait_for_status(host, "websocket", "all persisted")
    assert_all_kept(host)
    assert before <= set(in_database(host))
    wait_for_event(host, since, "DATABASE_WENT_BACK", "websocket", MESSAGES=None, KAFKA_TOPIC="crypto-updates")


def test_database_away_at_the_start(host):
    """The target is reached; what is missing is told."""
    # Else it waits for a minute, and tries again after another one.
    with DropIn(host, "setup", "ExecStart=", "ExecStart=/usr/sbin/crypto-pulse-setup --wait 5", "RestartSec=1s"):
        host.run("systemctl stop crypto-pulse.target kafka.service postgresql.service 'postgresql@*'")
        host.run("systemctl start --no-block crypto-pulse.target")
        wait_for_status(host, "setup", "Waiting for PostgreSQL")
        wait_for_status(host, "websocket", "PostgreSQL")
        # It serves what it has, which is nothing, and is ready for that.
        host.wait("systemctl is-active -q crypto-pulse-websocket.service", PATIENCE)
        host.run("systemctl start postgresql.service")
        host.wait("systemctl is-active -q crypto-pulse-setup.service", PATIENCE)
        wait_for_status(host, "fetcher", "Waiting for Kafka")
        host.run("systemctl start kafka.service")
        all_up(host)


ADMIN = "runuser -u postgres -- psql -X -q"


@pytest.mark.parametrize("done, undone, said", [
    ('ALTER ROLE "crypto-pulse" NOLOGIN', 'ALTER ROLE "crypto-pulse" LOGIN', "may not log in"),
    ("ALTER SCHEMA public RENAME TO hidden", "ALTER SCHEMA hidden RENAME TO public", "CREATE SCHEMA public")])
def test_operator_made_it_impossible(host, done, undone, said):
    """Setup refuses, says how to allow it, and is content when that was done."""
    unit = "crypto-pulse-setup.service"
    host.run(f"{ADMIN} -d crypto-pulse -c '{done}'")
    try:
        since = mark(host)
        assert not host.succeeds(f"systemctl restart {unit}")
        entry = wait_for_event(host, since, "SETUP_REFUSED", "setup", PRIORITY="3")
        assert said in entry["MESSAGE"]
        assert said in wait_for_status(host, "setup", ".")
        assert host.show(unit, "ActiveState") == "failed"
    finally:
        host.run(f"{ADMIN} -d crypto-pulse -c '{undone}'")
    host.run(f"systemctl restart {unit}")


def test_tables_of_somebody_else(host):
    """They are left alone, and it is not tried again and again."""
    host.run(f"{ADMIN} -c 'CREATE DATABASE shop OWNER \"crypto-pulse\" LOCALE \"C\" ENCODING UTF8 TEMPLATE template0'"
             f" && {ADMIN} -d shop -c 'CREATE TABLE coins (x int)'")
    since = mark(host)
    with DropIn(host, "setup", "Environment=POSTGRES_DB=shop"):
        entry = wait_for_event(host, since, "SETUP_REFUSED", "setup", PRIORITY="3")
        assert 'relation "coins" already exists' in entry["MESSAGE"]
        assert host.show("crypto-pulse-setup.service", "ExecMainStatus") == "78"
    assert host.run(f"{ADMIN} -tA -d shop -c '\\dt'").count("|table|") == 2  # and schema_migrations
    host.run(f"{ADMIN} -c 'DROP DATABASE shop'")


def test_role_of_another_name(host):
    """Peer authentication with a map: setup goes in as the daemons do."""
    folder = host.run("echo /etc/postgresql/*/main").strip()
    host.run(f"cp -p {folder}/pg_hba.conf {folder}/pg_ident.conf /root/ && echo 'ours crypto-pulse prices' >>{folder}/pg_ident.conf &&"
             f" sed -i '1i local prices prices peer map=ours' {folder}/pg_hba.conf && systemctl reload postgresql.service")
    with DropIn(host, "setup", "Environment=POSTGRES_USER=prices POSTGRES_DB=prices"):
        assert host.show("crypto-pulse-setup.service", "ActiveState") == "active"
        assert host.run(f"{ADMIN} -tA -d prices -c \"SELECT tableowner FROM pg_tables WHERE tablename = 'prices'\"") == "prices\n"
    host.run(f"{ADMIN} -c 'DROP DATABASE prices' && {ADMIN} -c 'DROP ROLE prices' &&"
             f" cp -p /root/pg_hba.conf /root/pg_ident.conf {folder}/ && systemctl reload postgresql.service")


def test_no_table(host):
    """Somebody has dropped what is written to: it is told, and setup brings it back."""
    since = mark(host)
    host.run("systemctl stop crypto-pulse-api.service")
    host.run(f"{DATABASE} -c 'ALTER TABLE prices RENAME TO gone'")
    wait_for_event(host, since, "DATABASE_UNREACHABLE", "websocket")
    wait_for_status(host, "websocket", "PostgreSQL")
    assert not entries(host, since, f"MESSAGE_ID={EVENTS['POISON_MESSAGE']}")
    host.run(f"{DATABASE} -c 'ALTER TABLE gone RENAME TO prices'")
    wait_for_status(host, "websocket", "all persisted")
    assert len(on_topic(host)) > 0
