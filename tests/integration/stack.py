"""A private PostgreSQL, Redis and Kafka for the tests, in a temporary folder on free ports.

The recipe is ./bootstrap's own, packaging/stack/service. A test may stop, kill and start each
service; it finds all of them running when it begins.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SERVICE = SOURCE / "packaging/stack/service"
KAFKA_HOME = Path(os.environ.get("STACK_KAFKA_HOME", SOURCE / ".stack/kafka"))
PORTS = ("STACK_POSTGRES_PORT", "STACK_REDIS_PORT", "STACK_KAFKA_PORT",
         "STACK_KAFKA_CONTROLLER_PORT")
USER = "crypto_pulse"


def free_ports(n):
    """N different ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Service:
    """One server of the stack: "postgres", "redis" or "kafka"."""

    def __init__(self, stack, name):
        self.stack = stack
        self.name = name

    def start(self):
        """Returns when it answers; does nothing if it runs."""
        self._run("start")

    def stop(self):
        """An orderly end."""
        self._run("stop")

    def kill(self):
        """A crash."""
        self._run("kill")

    def restart(self):
        self.stop()
        self.start()

    @property
    def running(self):
        return self._call("status").returncode == 0

    @property
    def log(self):
        return (self.stack.folder / f"log/{self.name}.log").read_text(errors="replace")

    def _call(self, action):
        return subprocess.run([SERVICE, action, self.name], env=self.stack.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)

    def _run(self, action):
        done = self._call(action)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {action} failed:\n{done.stdout}")


class Stack:
    """All three; the folder is gone after close()."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="crypto-pulse-test-"))
        ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.postgres_port = ports["STACK_POSTGRES_PORT"]
        self.redis_port = ports["STACK_REDIS_PORT"]
        self.kafka_broker = f"127.0.0.1:{ports['STACK_KAFKA_PORT']}"
        self.environment = {**os.environ, **{k: str(v) for k, v in ports.items()},
                            "STACK_DIR": str(self.folder), "STACK_KAFKA_HOME": str(KAFKA_HOME)}
        self.postgres = Service(self, "postgres")
        self.redis = Service(self, "redis")
        self.kafka = Service(self, "kafka")
        self.services = (self.postgres, self.redis, self.kafka)

    def install_kafka(self):
        """Fetches Kafka's jars if ./bootstrap has not done so."""
        trial = free_ports(2)
        subprocess.run([SOURCE / "packaging/kafka/install", KAFKA_HOME], check=True,
                       env={**os.environ, "KAFKA_TRIAL_PORT": str(trial[0]),
                            "KAFKA_TRIAL_CONTROLLER_PORT": str(trial[1])})

    def start(self):
        """Starts whatever does not run, all at once."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Service.start, self.services))

    def close(self):
        with ThreadPoolExecutor() as pool:
            list(pool.map(Service.stop, self.services))
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def password(self):
        """PostgreSQL's and Redis's."""
        return (self.folder / "password").read_text().strip()

    @property
    def postgres_socket_folder(self):
        """As POSTGRES_HOST: needs no password, but root or the server's user."""
        return str(self.folder / "data/postgres/db")
