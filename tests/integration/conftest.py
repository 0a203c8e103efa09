"""Fixtures of the integration tests.

stack   (session)  a private PostgreSQL, Redis and Kafka: stack.kafka.stop(), .start(), .kill() ...
site    (module)   an unused database, topic, consumer group and cache in it, free ports, and
                   the environment that makes a daemon use them
daemon  (function) daemon("api", CACHE_TTL_MS=0) starts a daemon on the site; after the test it
                   must end with status 0 and without a sanitizer's report
sim     (function) sim("--coins", 50) starts the coingecko-sim that the site's fetcher asks, and
                   returns what controls it
tail    (function) tail("topic") reads a topic, by default the site's
silent_dns (function) a name server that never answers, for one daemon

Run with Debian's python3; CRYPTO_PULSE_BUILD names the build folder (default .stack/build).
"""

import os
import signal
import socket
import subprocess

import pytest
import redis as redis_client

from market_client import Sim, TopicTail
from stack import SOURCE, USER, Stack, free_ports
from stack_clients import Database, Topic, WebSocketClient
from stack_daemon import BUILD, Daemon


# So that the servers end with the tests whatever ends those.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session", name="whole_stack")
def whole_stack_fixture():
    stack = Stack()
    try:
        stack.install_kafka()
        stack.start()
        yield stack
    finally:
        stack.close()


@pytest.fixture(name="stack")
def stack_fixture(whole_stack):
    """Running, whatever the test before did to it."""
    whole_stack.start()
    return whole_stack


class Site:
    """A place of its own in the stack. environment: what makes a daemon use it."""

    def __init__(self, stack, name):
        self.stack = stack
        self.name = name
        ports = free_ports(4)
        self.websocket_port, self.api_port, self.frontend_port, self.sim_port = ports
        self.topic = Topic(stack.kafka_broker, name)
        self.group = name
        self.environment = {
            "LOG_LEVEL": "debug",
            "COINGECKO_BASE_URL": f"http://127.0.0.1:{self.sim_port}/api/v3",
            "FETCH_INTERVAL_MS": 200,
            "KAFKA_BROKER": stack.kafka_broker, "KAFKA_TOPIC": name, "KAFKA_GROUP_ID": name,
            "KAFKA_PARTITIONS": 3,
            "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": stack.postgres_port,
            "POSTGRES_USER": USER, "POSTGRES_PASSWORD": stack.password, "POSTGRES_DB": name,
            "REDIS_HOST": "127.0.0.1", "REDIS_PORT": stack.redis_port,
            "REDIS_PASSWORD": stack.password,
            "WEBSOCKET_PORT": self.websocket_port, "API_PORT": self.api_port,
            "FRONTEND_PORT": self.frontend_port,
        }
        self.connection = {"host": "127.0.0.1", "port": stack.postgres_port, "user": USER,
                           "password": stack.password, "dbname": name}
        self.db = Database(**self.connection)
        self.redis = redis_client.Redis(host="127.0.0.1", port=stack.redis_port,
                                        password=stack.password)

    def set_up(self):
        """The schema, an empty cache."""
        self.redis.flushall()
        done = self.setup()
        assert done.returncode == 0, done.stdout

    def setup(self, *arguments, **variables):
        """crypto-pulse-setup with the site's own environment, and with more of it."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.environment, **variables}
        return subprocess.run([SOURCE / "src/setup/crypto-pulse-setup", *arguments], check=False,
                              env={k: str(v) for k, v in environment.items()},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def url(self, path=""):
        """Of the api."""
        return f"http://127.0.0.1:{self.api_port}{path}"

    def websocket(self, path="/", **options):
        """A connected client; the test closes it."""
        return WebSocketClient(f"ws://127.0.0.1:{self.websocket_port}{path}", **options)

    def close(self):
        self.db.close()
        self.redis.close()


@pytest.fixture(scope="module", name="site")
def site_fixture(whole_stack, request):
    whole_stack.start()
    site = Site(whole_stack, request.module.__name__.replace(".", "_"))
    site.set_up()
    yield site
    site.close()


@pytest.fixture(name="daemon")
def daemon_fixture(stack, site, tmp_path):
    """daemon(NAME, *arguments, VARIABLE=value...) starts one; more of one kind may run."""
    running = []
    assert stack.folder.exists()

    def start(name, *arguments, environment=None, pass_fds=(), wrapper=(), **variables):
        folder = tmp_path / f"{name}-{len(running)}"
        folder.mkdir()
        config = folder / "crypto-pulse.conf"
        config.touch()  # not the host's own
        if name != "sim" and "--config" not in arguments:
            arguments = ("--config", config, *arguments)
        one = Daemon(name, folder, {**site.environment, **(environment or {}), **variables},
                     arguments, pass_fds, wrapper)
        running.append(one)
        return one

    yield start
    problems = []
    for one in reversed(running):
        try:
            one.close()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n\n".join(problems)


@pytest.fixture(name="sim")
def sim_fixture(site, daemon):
    """sim(*arguments, port=another): prices stand still unless --renew-ms is among them."""
    def start(*arguments, port=site.sim_port):
        # Once a day, at midnight; not each coin at a time of its own.
        still = () if "--renew-ms" in arguments else ("--renew-ms", 86400000, "--renew-together")
        process = daemon("sim", "--port", port, *still, *arguments)
        process.wait_ready()
        return Sim(process, port)
    return start


@pytest.fixture(name="tail")
def tail_fixture(site):
    tails = []

    def start(topic=site.name):
        tails.append(TopicTail(site.stack.kafka_broker, topic))
        return tails[-1]

    yield start
    for one in tails:
        one.close()


@pytest.fixture(scope="session", name="built_dashboard")
def built_dashboard_fixture():
    """The folder of the dashboard that the build made; a sanitizer build makes none of its own."""
    folders = (BUILD / "web/dist", SOURCE / ".stack/build/web/dist")
    built = [folder for folder in folders if (folder / "index.html").exists()]
    assert built, f"the dashboard is not built: none of {', '.join(map(str, folders))}"
    return built[0]


class SilentDns:
    """daemon(..., wrapper=silent_dns.wrapper) knows no other name server. Looking a name up takes
    half a minute then."""

    def __init__(self, folder):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        address = f"127.77.{os.getpid() % 250 + 1}.53"
        self._socket.bind((address, 53))
        (folder / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:15 attempts:2\n")
        self.wrapper = ("unshare", "--mount", "bash", "-c",
                        f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$@"', "bash")

    def wait_asked(self, timeout=30):
        """Until somebody waits for an answer."""
        self._socket.settimeout(timeout)
        assert self._socket.recv(512)

    def close(self):
        self._socket.close()


@pytest.fixture(name="silent_dns")
def silent_dns_fixture(tmp_path):
    if os.getuid() != 0:
        pytest.skip("another /etc/resolv.conf for one process needs root")
    dns = SilentDns(tmp_path)
    yield dns
    dns.close()
