"""Prints the figures of a build: latency from the fetcher to a WebSocket client, memory at rest,
start to READY=1, size of the binaries; each beside a baseline that was measured in the same run.

Run as `make bench` in a build folder. Asserts nothing: the machine decides.
"""

import base64
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import confluent_kafka  # noqa: E402

from conftest import Site  # noqa: E402
from stack import Stack, free_ports  # noqa: E402
from stack_clients import wait_until  # noqa: E402
from stack_daemon import Daemon, program  # noqa: E402

COINS = 250
ROUNDS = 40
RENEW_MS = 500
STARTS = 7
DAEMONS = ("fetcher", "websocket", "api")


def progress(text):
    print(text, file=sys.stderr, flush=True)


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


class FrameTimes(threading.Thread):
    """A WebSocket client that only notes when each text frame was complete (CLOCK_MONOTONIC, ns).
    A full client would measure its own parsing instead."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.frames = []  # (ns, payload)
        self._socket = socket.create_connection(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall((f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
                              f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                              "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        self._chunks = []
        self.start()

    def run(self):
        try:
            while data := self._socket.recv(1 << 20):
                self._chunks.append((time.monotonic_ns(), data))
        except OSError:
            pass

    def stop(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self._split()

    def _split(self):
        pending, at = b"", 0
        head = False
        for ns, data in self._chunks:
            pending = pending[at:] + data
            at = 0
            if not head:
                end = pending.find(b"\r\n\r\n")
                if end < 0:
                    continue
                at, head = end + 4, True
            while len(pending) - at >= 2:
                length, start = pending[at + 1] & 127, at + 2
                if length == 126:
                    length, start = int.from_bytes(pending[start:start + 2], "big"), start + 2
                if len(pending) < start + length:
                    break
                if pending[at] == 0x81:
                    self.frames.append((ns, pending[start:start + length]))
                at = start + length


class KafkaTimes(threading.Thread):
    """The baseline: when the same messages are at a plain consumer of the topic."""

    def __init__(self, topic):
        super().__init__(daemon=True)
        self.messages = []  # (ns, value)
        self._stopping = threading.Event()
        self._consumer = confluent_kafka.Consumer({
            "bootstrap.servers": topic.broker, "group.id": "bench", "enable.auto.commit": False,
            "fetch.wait.max.ms": 100})
        self._consumer.assign([
            confluent_kafka.TopicPartition(topic.name, partition, confluent_kafka.OFFSET_END)
            for partition in range(topic.partitions())])
        self.start()

    def run(self):
        while not self._stopping.is_set():
            message = self._consumer.poll(0.05)
            if message and not message.error():
                self.messages.append((time.monotonic_ns(), message.value()))
        self._consumer.close()

    def stop(self):
        self._stopping.set()
        self.join()


def timestamp_of(payload):
    return re.search(rb'"timestamp":"([^"]+)"', payload)[1]


def latencies(polls, arrivals):
    """Milliseconds from the poll that brought a price (matched by the source's timestamp, which
    is the same for all coins renewed together) to its arrival."""
    found = []
    for ns, payload in arrivals:
        ended = polls.get(timestamp_of(payload))
        if ended and ns >= ended:
            found.append((ns - ended) / 1e6)
    return found


def polls_of(log, arrivals):
    """The end of each HTTP answer that brought new prices, by the timestamp that it brought. Both
    sequences are in order, and every renewing answer brings one new timestamp."""
    ends = [int(m[1]) for m in re.finditer(r"coins in usd, (?!0 )\d+ of them renewed.*"
                                           r"RECEIVED_AT_NS=(\d+)", log)]
    stamps = sorted({timestamp_of(payload) for _, payload in arrivals})
    return dict(zip(reversed(stamps), reversed(ends)))


def measure_latency(start, site):
    progress(f"latency: {COINS} coins renewed together, {ROUNDS} times ...")
    sim = start("sim", "--port", site.sim_port, "--coins", COINS, "--renew-ms", RENEW_MS,
                "--renew-together")
    websocket = start("websocket")
    websocket.wait_ready()
    fetcher = start("fetcher", TRACKED_COIN_IDS=f"top:{COINS}", FETCH_INTERVAL_MS=100)
    fetcher.wait_ready()
    wait_until(lambda: fetcher.log.count("coins in usd") > 50, what="the first rounds")
    kafka = KafkaTimes(site.topic)
    client = FrameTimes(site.websocket_port)
    time.sleep((ROUNDS + 4) * RENEW_MS / 1000)  # the measurement itself
    client.stop()
    kafka.stop()
    for daemon in (fetcher, websocket, sim):
        daemon.close()
    arrivals = client.frames[COINS:]  # the first ones are the state at the time of connecting
    polls = polls_of(fetcher.log, arrivals)
    return latencies(polls, arrivals), latencies(polls, kafka.messages)


def measure_rest(start, site):
    progress("memory at rest ...")
    sim = start("sim", "--port", site.sim_port, "--coins", COINS)
    running = [start("websocket"), start("api"),
               start("fetcher", TRACKED_COIN_IDS=f"top:{COINS}", FETCH_INTERVAL_MS=1000,
                     LOG_LEVEL="info")]
    for daemon in running:
        daemon.wait_ready()
    wait_until(lambda: site.db.value("select count(*) from latest_prices") >= COINS,
               what="every coin in the database")
    time.sleep(5)  # at rest: what start and first poll left behind has settled
    memory = {d.name: resident_kb(d.pid) for d in running}
    redis_pid = int(site.redis.info("server")["process_id"])
    memory["redis-server"] = resident_kb(redis_pid)
    for daemon in (*running, sim):
        daemon.close()
    return memory


def start_redis(folder):
    """Milliseconds from exec to the first PONG of a redis-server of its own."""
    port = free_ports(1)[0]
    began = time.monotonic()
    process = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", folder,
                                "--logfile", "redis.log"])
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(b"PING\r\n")
                if s.recv(16).startswith(b"+PONG"):
                    break
        except OSError:
            time.sleep(0.0005)
    elapsed = (time.monotonic() - began) * 1000
    process.terminate()
    process.wait()
    return elapsed


def measure_starts(start, folder, site):
    times = {}
    sim = start("sim", "--port", site.sim_port, "--coins", COINS)
    for name in DAEMONS:
        progress(f"start of {name}, {STARTS} times ...")
        times[name] = []
        for _ in range(STARTS):
            daemon = start(name, LOG_LEVEL="info")
            times[name].append(daemon.wait_ready() * 1000)
            daemon.close()
    sim.close()
    times["redis-server"] = [start_redis(folder) for _ in range(STARTS)]
    return {name: statistics.median(values) for name, values in times.items()}


def stripped_kb(path, folder):
    copy = Path(folder) / "stripped"
    shutil.copy(path, copy)
    subprocess.run(["strip", copy], check=True)
    return copy.stat().st_size / 1024


def measure_sizes(folder):
    sizes = {name: stripped_kb(program(name), folder) for name in DAEMONS}
    redis = os.path.realpath(shutil.which("redis-server"))
    sizes["redis-server"] = Path(redis).stat().st_size / 1024
    return sizes


def print_row(name, value, unit, baseline, baseline_name):
    print(f"  {name:<12}{value:>10.1f} {unit:<4}{value / baseline:>7.2f} x {baseline_name}"
          f" ({baseline:.1f} {unit})")


def print_table(title, unit, figures):
    print(f"\n{title}")
    for name in DAEMONS:
        print_row(name, figures[name], unit, figures["redis-server"], "redis-server")


def print_latency(ours, kafka):
    print(f"End of the HTTP answer to the WebSocket client, {COINS} coins renewed at once, "
          f"{len(ours)} updates")
    for p in (50, 99):
        print_row(f"p{p}", percentile(ours, p), "ms", percentile(kafka, p),
                  "a plain consumer of the topic")


class Starter:
    """Starts daemons for the site, each in a folder of its own."""

    def __init__(self, folder, site):
        self.folder, self.site, self.n = Path(folder), site, 0
        self.running = []

    def __call__(self, name, *arguments, **variables):
        self.n += 1
        folder = self.folder / f"{name}-{self.n}"
        folder.mkdir()
        config = folder / "crypto-pulse.conf"
        config.touch()
        if name != "sim":
            arguments = ("--config", config, *arguments)
            variables.setdefault("FRONTEND_PORT", 0)
        daemon = Daemon(name, folder, {**self.site.environment, **variables}, arguments)
        self.running.append(daemon)
        return daemon

    def close(self):
        """Ends what a measurement that failed has left running."""
        for daemon in self.running:
            if daemon.running:
                daemon.process.kill()


def main():
    stack = Stack()
    folder = tempfile.mkdtemp(prefix="crypto-pulse-bench-")
    start = None
    try:
        progress("PostgreSQL, Redis and Kafka start ...")
        stack.install_kafka()
        stack.start()
        site = Site(stack, "bench")
        site.set_up()
        start = Starter(folder, site)
        print_latency(*measure_latency(start, site))
        print_table("Resident memory at rest", "kB", measure_rest(start, site))
        print_table("Start to READY=1, all peers up", "ms", measure_starts(start, folder, site))
        print_table("Size of the stripped binary", "kB", measure_sizes(folder))
        site.close()
    finally:
        if start:
            start.close()
        stack.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
