"""What the tests of a running host look at: that no price is lost or doubled, and that what
happened is told in the journal with its explanation and in the unit's status."""
import json
import pathlib
import re
import time
from decimal import Decimal

TOP = pathlib.Path(__file__).parents[2]
EVENTS = dict(re.findall(r'^#define EVENT_(\w+) "(\w{32})"', (TOP / "src/io/events.h").read_text(), re.MULTILINE))
SUBJECTS = dict(re.findall(r"^-- (\w{32})\nSubject: (.*)$",
                           (TOP / "units/crypto-pulse.catalog").read_text(), re.MULTILINE))
SIM = "http://127.0.0.1:18400/sim"
DATABASE = "runuser -u crypto-pulse -- psql -X -q -t -A -F ' ' -d crypto-pulse"
# A reminder comes once a minute, a backoff is half a minute at most.
PATIENCE = 90

# ---- the journal and the status --------------------------------------------------------------


def mark(host):
    """A time: later entries of the journal are new."""
    return host.run("date +%s.%6N").strip()


def entries(host, since, matches):
    return host.journal(f"-q --since=@{since} {matches}")


def fits(entry, fields):
    """FIELDS: the text that a field must be, or None if any will do."""
    return all(name in entry and (text is None or entry[name] == text) for name, text in fields.items())


def wait_for_event(host, since, name, part, **fields):
    """Until PART (fetcher, ...) has told of the event, with these fields and with the catalog's text."""
    # As an operator looks for it: -u knows entries that were written on behalf of a unit, too.
    matches = f"-u crypto-pulse-{part}.service MESSAGE_ID={EVENTS[name]}"
    until = time.monotonic() + PATIENCE
    while not (found := [e for e in entries(host, since, matches) if fits(e, fields)]):
        assert time.monotonic() < until, \
            f"no entry {name} with {fields} by {part}\n" + host.run(f"journalctl -q -n 30 -u 'crypto-pulse-{part}*'")
        time.sleep(0.2)
    assert found[0]["MESSAGE"]
    assert_explained(host, since, matches, EVENTS[name])
    return found[0]


def assert_explained(host, since, matches, event):
    """`journalctl -x` shows the text of the catalog, and every field that it names is filled in."""
    text = host.run(f"journalctl -q -x --since=@{since} {matches}")
    assert f"Subject: {SUBJECTS[event]}" in text
    assert not re.findall(r"@[A-Z_]+@", text), text


def wait_for_status(host, part, text, seconds=PATIENCE):
    """Until `systemctl status` says TEXT, a pattern."""
    unit = f"crypto-pulse-{part}.service"
    until = time.monotonic() + seconds
    while not re.search(text, status := host.show(unit, "StatusText")):
        assert time.monotonic() < until, f"{unit} says '{status}', not '{text}'"
        time.sleep(0.2)
    return status


# ---- settings --------------------------------------------------------------------------------


class DropIn:
    """Lines of a unit's [Service], while the block runs; the unit is restarted at both ends."""

    def __init__(self, host, part, *lines):
        self.host, self.lines = host, lines
        self.unit = f"crypto-pulse-{part}.service"
        self.file = f"/etc/systemd/system/{self.unit}.d/test.conf"

    def __enter__(self):
        text = "\n".join(("[Service]",) + self.lines)
        self.host.run(f"mkdir -p $(dirname {self.file}) && cat >{self.file} && systemctl daemon-reload", stdin=text)
        self.host.run(f"systemctl restart {self.unit}", check=False)
        return self

    def __exit__(self, *_):
        self.host.run(f"rm {self.file} && systemctl daemon-reload && systemctl reset-failed {self.unit};"
                      f" systemctl restart {self.unit}")


class Configuration:
    """Another configuration, while the block runs: LINES at its end, OPTIONS in its groups."""

    FILE = "/etc/crypto-pulse/crypto-pulse.conf"

    def __init__(self, host, *lines, **options):
        self.host, self.lines = host, "".join(line + "\n" for line in lines)
        self.options = "; ".join(f"s|^{group}: {{|& {text};|" for group, text in options.items())

    def __enter__(self):
        self.host.run(f"cp -p {self.FILE} /root/before.conf && cat >>{self.FILE} &&"
                      f" sed -i '{self.options}' {self.FILE}", stdin=self.lines)
        return self

    def __exit__(self, *_):
        self.host.run(f"cp -p /root/before.conf {self.FILE}")


# ---- prices ----------------------------------------------------------------------------------


def on_topic(host):
    """Every price that was published, as (coin, currency, time, price)."""
    text = host.run("kcat -C -b localhost:9092 -t crypto-updates -e -q -f '%k %s\\n'")
    prices = set()
    for line in text.splitlines():
        coin, value = line.split(" ", 1)
        try:
            update = json.loads(value, parse_float=Decimal, parse_int=Decimal)
        except ValueError:
            continue  # a test has put it there
        prices.add((coin, update["currency"], update["timestamp"], update["price"]))
    return prices


def in_database(host):
    text = host.run(f"{DATABASE} -c \"SELECT c.id, k.code,"
                    " to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\\\"T\\\"HH24:MI:SS.MS\\\"Z\\\"'), price FROM prices"
                    " JOIN coins c USING (coin_no) JOIN currencies k USING (currency_no)\"")
    rows = [tuple(line.split(" ")) for line in text.splitlines()]
    return [(coin, currency, at, Decimal(price)) for coin, currency, at, price in rows]


def assert_all_kept(host, seconds=PATIENCE):
    """Every price of the topic is in the database, or will be soon, each once; and nothing else is."""
    published = on_topic(host)
    assert published
    until = time.monotonic() + seconds
    while missing := published - set(rows := in_database(host)):
        assert time.monotonic() < until, f"{len(missing)} of {len(published)} prices are missing, e.g. {min(missing)}"
        time.sleep(0.2)
    assert len({row[:3] for row in rows}) == len(rows)
    assert not set(rows) - on_topic(host)
    return len(published)


def wait_for_new_prices(host, seconds=PATIENCE):
    """Until the database has prices that it does not have now."""
    before = len(in_database(host))
    until = time.monotonic() + seconds
    while len(in_database(host)) <= before:
        assert time.monotonic() < until, \
            "no new price is written\n" + host.run("systemctl status 'crypto-pulse*'", check=False)
        time.sleep(0.2)


def all_up(host):
    for part in ("fetcher", "websocket", "api"):
        host.wait(f"systemctl is-active -q crypto-pulse-{part}.service", PATIENCE)
