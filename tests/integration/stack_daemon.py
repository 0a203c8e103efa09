"""Runs a daemon of the build under test as systemd would: with a NOTIFY_SOCKET of its own."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from stack import SOURCE

BUILD = Path(os.environ.get("CRYPTO_PULSE_BUILD", SOURCE / ".stack/build"))
PROGRAMS = {
    "fetcher": "src/fetcher/crypto-pulse-fetcher",
    "websocket": "src/websocket/crypto-pulse-websocket",
    "maintenance": "src/maintenance/crypto-pulse-maintenance",
    "api": "src/api/crypto-pulse-api",
    "sim": "src/sim/coingecko-sim",
}
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|: runtime error: ")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def program(name):
    path = BUILD / PROGRAMS[name]
    assert path.exists(), f"{path} is not built (CRYPTO_PULSE_BUILD names the build folder)"
    return path


class NotifySocket:
    """Receives what a service tells its manager: see sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        self.messages = []  # (time.monotonic(), {"READY": "1", "STATUS": ...})
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            fields = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
            with self._changed:
                self.messages.append((time.monotonic(), fields))
                self._changed.notify_all()

    def wait(self, condition, timeout):
        """The first message whose fields meet the condition, or None after TIMEOUT s."""
        found = []

        def look():
            found[:] = [fields for _, fields in self.messages if condition(fields)]
            return bool(found)

        with self._changed:
            return found[0] if self._changed.wait_for(look, timeout) else None

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        finally:
            self._socket.close()


class Daemon:
    """A running program; its log is standard output and error together."""

    def __init__(self, name, folder, environment=None, arguments=(), pass_fds=(), wrapper=()):
        """FOLDER: an empty one for the log and the notification socket. ENVIRONMENT is all that
        the program gets beside PATH and the like. WRAPPER: a command that executes the program."""
        self.name = name
        self.folder = Path(folder)
        self.command = [*wrapper, str(program(name)), *map(str, arguments)]
        self.notify = NotifySocket(self.folder / "notify")
        self._log_path = self.folder / f"{name}.log"
        self.environment = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **SANITIZER_OPTIONS,
            **{k: str(v) for k, v in (environment or {}).items()},
            "NOTIFY_SOCKET": str(self.notify.path),
        }
        self.started = time.monotonic()
        with open(self._log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=pass_fds)

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self._log_path.read_text(errors="replace")

    @property
    def running(self):
        return self.process.poll() is None

    @property
    def status(self):
        """The newest STATUS=, or ""."""
        texts = [fields["STATUS"] for _, fields in self.notify.messages if "STATUS" in fields]
        return texts[-1] if texts else ""

    @property
    def ready(self):
        return any(fields.get("READY") == "1" for _, fields in self.notify.messages)

    def wait_ready(self, timeout=30):
        """Until READY=1. Returns the seconds since its start."""
        deadline = time.monotonic() + timeout
        while not self.notify.wait(lambda fields: fields.get("READY") == "1", 0.2):
            self._assert_running("READY=1")
            assert time.monotonic() < deadline, self._report(f"not ready after {timeout} s")
        at = next(t for t, fields in self.notify.messages if fields.get("READY") == "1")
        return at - self.started

    def wait_status(self, pattern, timeout=30):
        """Until a STATUS= that the regular expression finds; returns it."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.notify.wait(lambda fields: re.search(pattern, fields.get("STATUS", "")), 0.2)
            if found:
                return found["STATUS"]
            self._assert_running(f"a status like {pattern!r}")
            assert time.monotonic() < deadline, \
                self._report(f"no status like {pattern!r} after {timeout} s, but {self.status!r}")

    def wait_log(self, pattern, timeout=30):
        """Until the regular expression finds something in the log; returns the match."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self.log)):
            self._assert_running(f"a log line like {pattern!r}")
            assert time.monotonic() < deadline, \
                self._report(f"no log line like {pattern!r} after {timeout} s")
            time.sleep(0.02)
        return match

    def wait_exit(self, timeout=30):
        """Its exit status (negative: the signal that ended it)."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(self._report(f"still runs after {timeout} s")) from None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """A crash."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout=30):
        """SIGTERM: it must end by itself, with status 0, and nothing found by a sanitizer."""
        if self.running:
            self.process.terminate()
        code = self.wait_exit(timeout)
        assert code == 0, self._report(f"exit status {code} after SIGTERM")
        self.assert_clean()

    def assert_clean(self):
        assert not SANITIZER_REPORT.search(self.log), self._report("a sanitizer reported")

    def close(self):
        """The end of a test: terminate() unless the test ended it itself."""
        try:
            if self.running:
                self.terminate()
            else:
                self.assert_clean()
        finally:
            if self.running:
                self.kill()
            self.notify.close()

    def _assert_running(self, awaited):
        assert self.running, self._report(
            f"ended with status {self.process.returncode} while {awaited} was waited for")

    def _report(self, problem):
        return f"{self.name}: {problem}; its log:\n{self.log[-8000:]}"
