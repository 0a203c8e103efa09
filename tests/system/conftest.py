"""Booted Debian hosts with the packages, for the tests beside this. What is needed: root,
mmdebstrap, systemd-nspawn, and CRYPTO_PULSE_PACKAGES, a folder with the packages of
packaging/debian/build. CRYPTO_PULSE_SUITE names Debian's release (bookworm). `make check-system`
does all of it; afterwards one file can be run alone:
  CRYPTO_PULSE_PACKAGES=$CONTAINER_DIR/packages-bookworm python3 -m pytest tests/system/test_faults.py"""
import json
import os
import pathlib
import subprocess
import time

import pytest

HERE = pathlib.Path(__file__).parent
CONTAINER = HERE / "container"
FOLDER = pathlib.Path(os.environ.get("CONTAINER_DIR", "/var/tmp/crypto-pulse-containers"))
API = "http://localhost:5001/api/v1"
PAGE = "http://localhost:3000"
STREAM = "http://localhost:8080/"
DAEMONS = ["fetcher", "websocket", "api"]


class Host:
    """A booted container with the packages."""

    def __init__(self, suite):
        self.name = f"cp-{suite}"
        self.stop()
        subprocess.run([CONTAINER, "boot", suite, self.name], check=True)
        leader = (FOLDER / self.name / "leader").read_text().strip()
        self.root = pathlib.Path(f"/proc/{leader}/root")

    def stop(self):
        subprocess.run([CONTAINER, "stop", self.name], check=True)

    def run(self, command, check=True, stdin=""):
        """Runs a line of bash; what it wrote to both outputs."""
        done = subprocess.run([CONTAINER, "run", self.name, "bash", "-c", command], check=False,
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def succeeds(self, command):
        return subprocess.run([CONTAINER, "run", self.name, "bash", "-c", command], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

    def wait(self, command, seconds=30):
        """Until COMMAND succeeds; how long it took."""
        began = time.monotonic()
        while not self.succeeds(command):
            assert time.monotonic() - began < seconds, \
                f"waited {seconds} s in vain for: {command}\n{self.run(command, check=False)}"
            time.sleep(0.1)
        return time.monotonic() - began

    def show(self, unit, *properties):
        """Properties of a unit; one alone without its name."""
        text = self.run(f"systemctl show {unit} " + " ".join(f"-p {p}" for p in properties))
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return values[properties[0]] if len(properties) == 1 else values

    def journal(self, arguments):
        """Entries as dictionaries."""
        text = self.run(f"journalctl -o json --no-pager {arguments}")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def wait_for_price(self):
        """In the database."""
        self.wait(f"curl -sf {API}/cryptos | grep -q '\"id\":\"bitcoin\"'", 60)

    def copy(self, name):
        """One of the programs beside this into the container, as /root/NAME."""
        (self.root / "root" / name).write_text((HERE / name).read_text())

    def start(self, *command):
        """A program in the container that goes on; its output is a pipe."""
        return subprocess.Popen([CONTAINER, "run", self.name, *command], stdout=subprocess.PIPE,
                                stdin=subprocess.DEVNULL, text=True)

    def load(self, *urls):
        return Load(self, urls)


class Load:
    """Constant new connections while the block runs."""

    def __init__(self, host, urls):
        self.host, self.urls = host, urls
        self.result = None

    def __enter__(self):
        self.host.copy("load.py")
        self.process = self.host.start("python3", "/root/load.py", *self.urls)
        self.host.wait("pgrep -f '^python3 /root/load.py'")
        return self

    def __exit__(self, *_):
        self.host.run("pkill -TERM -f '^python3 /root/load.py'")
        out, _ = self.process.communicate(timeout=60)
        self.result = json.loads(out)


@pytest.fixture(scope="session")
def suite():
    return os.environ.get("CRYPTO_PULSE_SUITE", "bookworm")


@pytest.fixture(scope="session")
def packages(suite):
    if os.geteuid() != 0 or subprocess.run(["which", "systemd-nspawn", "mmdebstrap"], check=False,
                                           capture_output=True).returncode != 0:
        pytest.skip("system tests need root, systemd-nspawn and mmdebstrap")
    if "CRYPTO_PULSE_PACKAGES" not in os.environ:
        pytest.skip("system tests need CRYPTO_PULSE_PACKAGES: see packaging/debian/build")
    folder = pathlib.Path(os.environ["CRYPTO_PULSE_PACKAGES"])
    subprocess.run([CONTAINER, "make", suite, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def installed_host(suite, packages):
    """All packages are installed, nothing of ours runs."""
    host = Host(suite)
    yield host
    host.stop()


@pytest.fixture(scope="module")
def running_host(installed_host):
    """All of it runs, with the simulator as the source."""
    host = installed_host
    host.run("crypto-pulse-simulate on && systemctl enable -q --now crypto-pulse.target")
    host.wait_for_price()
    return host
