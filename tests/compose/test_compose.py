"""The whole of compose.yaml with a real Docker engine and Compose 2, in the order of a developer's day.

CRYPTO_PULSE_ENGINE names ./engine, which is started already (see ./check).
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
psycopg2 = pytest.importorskip("psycopg2")
redis = pytest.importorskip("redis")
websockets = pytest.importorskip("websockets")

SOURCE = Path(__file__).resolve().parents[2]
ENGINE = os.environ.get("CRYPTO_PULSE_ENGINE")
PROJECT = "crypto-pulse-test"
PORTS = ("FRONTEND_PORT", "API_PORT", "WEBSOCKET_PORT", "POSTGRES_PORT", "REDIS_PORT", "KAFKA_PORT", "VITE_PORT")
IMAGES = ("fetcher", "websocket", "api")
LIMIT_S = 120  # for whatever is waited for

pytestmark = pytest.mark.skipif(not ENGINE, reason="no Docker engine is started, see tests/compose/check")


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def run(*command, check=True, **variables):
    # Not the shell's own: they would come before those of the file.
    environment = {key: value for key, value in os.environ.items()
                   if key in ("PATH", "HOME", "COMPOSE_DIR", "LANG")}
    done = subprocess.run([ENGINE, "run", *command], cwd=SOURCE, env=environment | variables, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert not check or done.returncode == 0, done.stdout
    return done


class Project:
    def __init__(self, folder):
        self.file = folder / "env"
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        text = (SOURCE / ".env.example").read_text()
        # Whatever may stand in a password.
        text = re.sub("^REDIS_PASSWORD=.*$", r"""REDIS_PASSWORD='a"b\\\\c#d e'""", text, flags=re.MULTILINE)
        for name, port in self.ports.items():
            text = re.sub(rf"^{name}=.*$", f"{name}={port}", text, flags=re.MULTILINE)
        self.file.write_text(text)

    def compose(self, *arguments, files=("compose.yaml", "tests/compose/compose.yaml"), env_file=None, **options):
        names = [part for name in files for part in ("-f", name)]
        return run("docker", "compose", "-p", PROJECT, "--env-file", str(env_file or self.file), "--progress", "plain",
                   *names, *arguments, **options)

    def up(self, *arguments, **options):
        return self.compose("up", "-d", *arguments, **options)

    def logs(self, name):
        return run("docker", "logs", f"{PROJECT}-{name}-1").stdout

    def container(self, name):
        text = run("docker", "inspect", f"{PROJECT}-{name}-1").stdout
        return json.loads(text)[0]

    def health(self, name):
        return self.container(name)["State"].get("Health", {"Status": "none"})["Status"]

    def get(self, port, path):
        url = f"http://localhost:{self.ports[port]}{path}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.read().decode()

    def prices(self):
        """What the REST API has of bitcoin."""
        return json.loads(self.get("API_PORT", "/api/v1/cryptos/bitcoin/history?limit=1000"))["priceHistory"]

    def first_message(self):
        async def receive():
            async with websockets.connect(f"ws://localhost:{self.ports['WEBSOCKET_PORT']}/") as stream:
                return json.loads(await asyncio.wait_for(stream.recv(), 30))
        return asyncio.run(receive())


def await_true(what, condition):
    until = time.monotonic() + LIMIT_S
    while True:
        try:
            if condition():
                return
            problem = "not yet"
        except (OSError, ValueError, KeyError, asyncio.TimeoutError, websockets.WebSocketException) as error:
            problem = error
        assert time.monotonic() < until, f"waited in vain for {what}: {problem}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("compose"))
    yield made
    made.compose("--profile", "sim", "down", "-v", "-t", "2", check=False)


def figure(what, began):
    print(f"FIGURE {what}: {time.monotonic() - began:.1f} s")


def price_on_page(project):
    """The page is there, and the data that it shows: a price on its stream and in its history."""
    await_true("a price", lambda: "<!doctype html>" in project.get("FRONTEND_PORT", "/") and
               project.first_message()["price"] and project.prices())


@pytest.fixture(scope="module")
def running(project):
    """Built and up, with the simulator."""
    began = time.monotonic()
    project.up("--build", COMPOSE_PROFILES="sim")
    price_on_page(project)
    figure("cold up --build -d to the first price", began)
    return project


# ---- what a developer sees -------------------------------------------------------------------------


def test_up_brings_prices(running):
    assert json.loads(running.get("API_PORT", "/api/v1/health"))["status"] == "UP"
    assert running.first_message()["currency"] == "usd"
    assert json.loads(running.get("FRONTEND_PORT", "/config.json"))["websocketPort"] == running.ports["WEBSOCKET_PORT"]
    for name in (*IMAGES, "kafka", "postgres", "redis", "sim"):
        await_true(f"{name} to be healthy", lambda: running.health(name) == "healthy")
    assert running.container("setup")["State"]["ExitCode"] == 0


def test_second_up_is_quick(running):
    before = running.container("fetcher")["Id"]
    began = time.monotonic()
    running.up("--build", COMPOSE_PROFILES="sim")
    price_on_page(running)
    figure("warm up --build -d to the first price, nothing changed", began)
    assert running.container("fetcher")["Id"] == before


def test_images_are_small(running):
    layers = {}
    for name in IMAGES:
        image = json.loads(run("docker", "image", "inspect", f"{PROJECT}-{name}").stdout)[0]
        print(f"FIGURE image {name}: {image['Size'] / 1e6:.1f} MB")
        assert image["Size"] < 120e6
        assert image["Config"]["User"] == "crypto-pulse"
        # What was made by the same step is the same layer.
        history = run("docker", "history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}",
                      f"{PROJECT}-{name}").stdout.splitlines()
        layers.update({step: int(size) for size, step in (line.split(" ", 1) for line in history)})
    print(f"FIGURE images together: {sum(layers.values()) / 1e6:.1f} MB")
    assert sum(layers.values()) < 130e6
    assert run("docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", f"{PROJECT}-api",
               "-c", "command -v gcc make npm psql", check=False).stdout == ""


def test_containers_are_closed(running):
    used = 0
    for name in (*IMAGES, "maintenance", "sim", "kafka", "postgres", "redis"):
        container = running.container(name)
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] or name == "kafka"
        assert host["CapDrop"] == ["ALL"] and host["Memory"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values():
            assert all(b["HostIp"] == "127.0.0.1" for b in bindings or ())
        status = Path(f"/proc/{container['State']['Pid']}/status").read_text()
        assert re.search(r"^Uid:\t[1-9]", status, re.MULTILINE)
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
        used += sum(int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])
                    for pid in run("docker", "top", container["Id"], "-eo", "pid").stdout.split()[1:])
    print(f"FIGURE memory of the whole stack (PSS): {used / 1024:.0f} MB")


def test_restarted_service_goes_on(running):
    # Not 137: within its stop_grace_period each has ended by itself.
    running.compose("stop", "websocket", "fetcher", COMPOSE_PROFILES="sim")
    for name in ("websocket", "fetcher"):
        state = running.container(name)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 0)
    running.compose("start", "websocket", "fetcher", COMPOSE_PROFILES="sim")
    known = len(running.prices())
    await_true("health", lambda: running.health("websocket") == running.health("fetcher") == "healthy")
    await_true("another price", lambda: running.first_message() and len(running.prices()) > known)


def test_servers_answer_this_host(running):
    """On the ports of .env."""
    with psycopg2.connect(host="localhost", port=running.ports["POSTGRES_PORT"], user="crypto-pulse",
                          password="crypto-pulse", dbname="crypto-pulse") as database, database.cursor() as cursor:
        cursor.execute("select count(*) from prices")
        assert cursor.fetchone()[0] > 0
    password = dict(text.split("=", 1) for text in running.container("redis")["Config"]["Env"])["REDIS_PASSWORD"]
    assert redis.Redis(port=running.ports["REDIS_PORT"], password=password).ping()
    consumer = confluent_kafka.Consumer({"bootstrap.servers": f"localhost:{running.ports['KAFKA_PORT']}",
                                         "group.id": "test", "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe(["crypto-updates"])
        message = consumer.poll(LIMIT_S)
        assert message and not message.error() and json.loads(message.value())["price"]
    finally:
        consumer.close()


def test_history_is_looked_after(running):
    """As by the timer of the packages; the simulator fills its gaps, too."""
    await_true("the first run", lambda: re.search(r"has its partitions for .*\n(.*\n)*.*crypto-pulse-maintenance\[\d+\]: The history",
                                                  running.logs("maintenance")))


def test_logs_are_json_if_asked(running):
    assert re.search(r"^\d{4}-.*Z crypto-pulse-fetcher\[1\]: Polling http://sim", running.logs("fetcher"), re.MULTILINE)
    running.up("fetcher", COMPOSE_PROFILES="sim", LOG_FORMAT="json")
    await_true("a log", lambda: "crypto-pulse-fetcher" in running.logs("fetcher"))
    for line in running.logs("fetcher").splitlines():
        assert json.loads(line)["service"] in ("with-source", "crypto-pulse-fetcher")


def test_down_keeps_the_data(running):
    oldest = running.prices()[0]
    began = time.monotonic()
    running.compose("down", COMPOSE_PROFILES="sim")
    figure("down", began)
    began = time.monotonic()
    running.up("--build", COMPOSE_PROFILES="sim")
    price_on_page(running)
    figure("warm up --build -d to the first price, after down", began)
    assert running.prices()[0] == oldest


# ---- bad input: each ends in a line that says what to do ----------------------------------------------


def test_kafka_volume_of_an_older_version(running):
    """Of the days of ZooKeeper. Followed, the advice helps, and no price is lost."""
    oldest = running.prices()[0]
    volume = f"{PROJECT}_kafka-data"
    running.compose("stop", COMPOSE_PROFILES="sim")
    run("docker", "run", "--rm", "--network", "none", "--volume", f"{volume}:/data", "--user", "0", "--entrypoint", "sh",
        "apache/kafka:4.3.1", "-c", "printf 'version=0\\nbroker.id=1\\ncluster.id=old\\n' >/data/meta.properties")
    done = running.up(check=False, COMPOSE_PROFILES="sim")
    assert done.returncode != 0 and "kafka" in done.stdout
    advice = f"docker compose down && docker volume rm {volume}"
    assert advice in running.logs("kafka")
    running.compose("down", COMPOSE_PROFILES="sim")
    run("docker", "volume", "rm", volume)
    began = time.time()
    running.up(COMPOSE_PROFILES="sim")
    await_true("new prices", lambda: running.prices()[-1]["timestamp"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began)))
    assert running.prices()[0] == oldest


def test_refused_option(running):
    """The setup finds it first, and nothing is started in vain."""
    done = running.up("fetcher", COMPOSE_PROFILES="sim", TRACKED_COIN_IDS="bit/coin", check=False)
    assert done.returncode != 0
    assert 'service "setup" didn\'t complete successfully: exit 78' in done.stdout
    assert 'environment variable TRACKED_COIN_IDS: coins: "bit/coin" is not allowed' in running.logs("setup")


def test_unreachable_coingecko(running):
    """The engine's networks reach nothing outside."""
    running.up("fetcher", COMPOSE_PROFILES="", COINGECKO_TIMEOUT_MS="2000")
    await_true("a warning", lambda: "warning: " in running.logs("fetcher"))
    log = running.logs("fetcher")
    print(log)
    assert re.search(r"Polling https://api\.coingecko\.com.*\n.*warning: CoinGecko gives no usable answer \(.*\), trying again .* Check the network", log)
    await_true("health", lambda: running.health("fetcher") == "healthy")
    container = running.container("fetcher")
    assert container["RestartCount"] == 0
    print(container["State"]["Health"]["Log"][-1]["Output"])


@pytest.mark.parametrize("service, name", [("redis", "REDIS_PORT"), ("api", "FRONTEND_PORT")])
def test_port_in_use(running, service, name):
    running.compose("down", "--remove-orphans", COMPOSE_PROFILES="sim")
    port = running.ports[name]
    with socket.create_server(("127.0.0.1", port)):
        done = running.up(service, check=False)
    assert done.returncode != 0
    assert re.search(rf":{port}: bind: address already in use", done.stdout)
    advice = running.logs("ports")
    assert "If an address is already in use, move its port in .env:" in advice
    assert all(f"{key} ({value})" in advice for key, value in running.ports.items())


def test_profile_by_option(running):
    """The fetcher learns of it without COMPOSE_PROFILES; a price comes."""
    running.compose("--profile", "sim", "up", "-d")
    price_on_page(running)
    await_true("the simulator as the source", lambda: "Polling http://sim-by-option:8090/api/v3, 1 calls every 5000 ms"
               in running.logs("fetcher"))
    assert "Prices are simulated, by sim-by-option" in running.logs("fetcher")


def test_simulator_left_behind(running):
    """By a `down` that does not know its profile: the next log says where prices come from. One that does ends it."""
    running.compose("down", "-v", check=False)
    running.up("fetcher")
    await_true("a word", lambda: "Prices are simulated, by sim-by-option" in running.logs("fetcher"))
    running.compose("--profile", "sim", "down", "-v")
    running.up("fetcher")
    await_true("CoinGecko as the source", lambda: "Polling https://api.coingecko.com" in running.logs("fetcher"))
    assert "simulated" not in running.logs("fetcher")


@pytest.mark.parametrize("content", ["", "POSTGRES_PASSWORD=\nREDIS_PASSWORD=x\n"])
def test_no_env_file_or_password(project, tmp_path, content):
    (tmp_path / "env").write_text(content)
    done = project.compose("up", "-d", env_file=tmp_path / "env", check=False)
    assert done.returncode != 0
    assert re.search(r"variable (POSTGRES|REDIS)_PASSWORD is missing a value: set it in \.env; if there is none, cp \.env\.example",
                     done.stdout)


def test_down_v_starts_fresh(running):
    running.compose("--profile", "sim", "down", "-v")
    assert PROJECT not in run("docker", "volume", "ls", "-q").stdout
    assert PROJECT not in run("docker", "ps", "-aq", "--format", "{{.Names}}").stdout


def test_dev_override(project, tmp_path):
    """A daemon is built anew when a source file is newer than it, and the dashboard comes from Vite."""
    (tmp_path / "host.yaml").write_text("services: {dashboard: {build: {network: host}}}\n")
    files = ("compose.yaml", "compose.dev.yaml", "tests/compose/compose.yaml", str(tmp_path / "host.yaml"))
    try:
        project.compose("up", "-d", "--build", files=files, COMPOSE_PROFILES="sim")
        price_on_page(project)
        assert "/@vite/client" in project.get("VITE_PORT", "/")
        assert json.loads(project.get("VITE_PORT", "/config.json"))["websocketPort"] == project.ports["WEBSOCKET_PORT"]
        (SOURCE / "src/fetcher/main.c").touch()
        await_true("the fetcher to be built again", lambda: re.search(
            r"A source file has changed: building fetcher again\n(.*\n)*.*: Polling http://sim", project.logs("fetcher")))
        price_on_page(project)
    finally:
        project.compose("--profile", "sim", "down", "-v", "-t", "5", files=files)
