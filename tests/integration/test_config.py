"""The configuration, as whoever edits it meets it: --check-config of each daemon, and the places
that values come from. No server is needed."""

import re
import subprocess

import pytest

from stack import SOURCE
from stack_daemon import SANITIZER_OPTIONS, SANITIZER_REPORT, program

DAEMONS = ("fetcher", "websocket", "api", "maintenance")
SECRET = "hunter2-do-not-show"


def run(name, *arguments, **variables):
    done = subprocess.run([program(name), *map(str, arguments)], check=False, timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={"PATH": "/usr/bin:/bin", **SANITIZER_OPTIONS,
                               **{k: str(v) for k, v in variables.items()}})
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


@pytest.fixture(params=DAEMONS, name="name")
def name_fixture(request):
    return request.param


@pytest.fixture(name="check")
def check_fixture(tmp_path):
    """check(NAME, TEXT, VARIABLE=value...): --check-config of a file with this text."""
    def check(name, text, **variables):
        path = tmp_path / "the.conf"
        path.write_text(text)
        return run(name, "--config", path, "--check-config", **variables)
    return check


def complaint(done):
    """The one line that says what is wrong."""
    assert done.returncode == 78  # EX_CONFIG: no restart would help
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "The configuration cannot be used: " in line
    return line.split("The configuration cannot be used: ", 1)[1]


def assert_valid(done):
    assert (done.returncode, done.stdout) == (0, "The configuration is valid.\n"), done.stderr


# ---- the file --------------------------------------------------------------------------------

def test_shipped_file_is_valid(name):
    assert_valid(run(name, "--config", SOURCE / "etc/crypto-pulse.conf", "--check-config"))


def test_good_files(name, check):
    assert_valid(check(name, ""))
    assert_valid(check(name, 'log_level = "debug";\ncoins = ["bitcoin", "top:10"];\n'
                             'kafka: { topic = "my.topic-1"; partitions = 12; };\n'
                             'api: { port = 0; cors_origin = ""; }'))


@pytest.mark.parametrize("text, line, expected", [
    ('kafka: {\n  partitions = 0;\n}', 2, r"kafka\.partitions: 0 is out of range, 1 to 1000 "),
    ('api: {\n\n  port = 65536;\n}', 3, r"api\.port: 65536 is out of range, 0 to 65535 "),
    ('kafka: { retention_ms = -2L; }', 1, r"retention_ms: -2 is out of range, -1 to [0-9]{9,} "),
    ('# a comment\nfetch_interval = 60000;', 2, r"fetch_interval: no such option, see crypto-pulse"),
    ('kafka: { topics = "x"; }', 1, r"kafka\.topics: no such option"),
    ('kafka: { a: { b = 1; }; }', 1, r"kafka\.a: no such option"),
    ('redis_url = "redis://x"', 1, r"redis_url: no such option"),
    ('coins = "bitcoin";\nlog_level = "loud";', 2, r'"loud" is not one of error, warning, info, debug'),
    ('coins = ["bitcoin", "top:0"];', 1, r'"top:0" is not allowed, .*top:N with N from 1 to 10000'),
    ('coins = ["bitcoin", "a/b"];', 1, r'"a/b" is not allowed, .*coin id'),
    ('coins = [];', 1, r"coins: .*1 to 1024"),
    ('coins = [1, 2];', 1, r"coins: entry 1 is not a text in quotes"),
    ('currencies = ["usd", "EUR"];', 1, r'"EUR" is not allowed, .*lower case'),
    ('kafka: { topic = "a b"; }', 1, r"kafka\.topic: \"a b\" is not allowed"),
    ('kafka: { topic = ""; }', 1, r"kafka\.topic: the value is empty, 1 to 249 characters"),
    ('kafka: { partitions = "3"; }', 1, r"partitions: a whole number without quotes is expected, 1 to 1000"),
    ('kafka: { partitions = 1.5; }', 1, r"partitions: a whole number without quotes is expected, 1 to 1000"),
    ('kafka: { topic = 5; }', 1, r"kafka\.topic: a text in quotes is expected"),
    ('coingecko: { base_url = "ftp://x"; }', 1, r"begins with https:// or http://"),
    ('postgres: { password_file = "/no/such/file"; }', 1, r"/no/such/file cannot be read"),
    ('kafka: { topic = "x";', None, r"syntax error"),
    ('kafka: { topic = "x"; }\nkafka: { topic = "y"; }', 2, r"duplicate"),
])
def test_bad_files(name, check, tmp_path, text, line, expected):
    told = complaint(check(name, text))
    where = re.match(rf"{re.escape(str(tmp_path))}/the\.conf:(\d+): ", told)
    assert where, told
    assert line is None or int(where[1]) == line
    assert re.search(expected, told), told


def test_files_that_cannot_be_read(name, tmp_path):
    missing = tmp_path / "none.conf"
    assert f"{missing} cannot be read" in complaint(run(name, "--config", missing, "--check-config"))
    told = complaint(run(name, "--config", tmp_path, "--check-config"))
    assert str(tmp_path) in told


def test_a_bad_file_does_not_start(name, tmp_path):
    (tmp_path / "the.conf").write_text("nonsense = 1;")
    complaint(run(name, "--config", tmp_path / "the.conf"))


# ---- the environment -------------------------------------------------------------------------

@pytest.mark.parametrize("variable, value, expected", [
    ("API_PORT", "80a", r'api\.port: "80a" is not a whole number, 0 to 65535 is allowed'),
    ("API_PORT", "70000", r"70000 is out of range, 0 to 65535"),
    ("FETCH_INTERVAL_MS", "99", r"fetcher\.fetch_interval_ms: 99 is out of range, 100 to 86400000"),
    ("FETCH_INTERVAL_MS", "99999999999999999999", r"is not a whole number"),
    ("TRACKED_COIN_IDS", "bitcoin,top:x", r'"top:x" is not allowed'),
    ("DEFAULT_CURRENCY", "usd,US", r'"US" is not allowed'),
    ("CORS_ORIGIN", "*\nX-Evil: 1", r"printable characters only"),
])
def test_bad_variables(name, check, variable, value, expected):
    told = complaint(check(name, "", **{variable: value}))
    assert f"environment variable {variable}: " in told
    assert re.search(expected, told), told


def test_variables_win_over_the_file_and_empty_ones_are_none(name, check):
    assert "API_PORT" in complaint(check(name, "api: { port = 80; }", API_PORT="x"))
    assert_valid(check(name, "api: { port = 80; }", API_PORT="", DEFAULT_CURRENCY="",
                       COINGECKO_API_KEY="", POSTGRES_PASSWORD_FILE=""))


def test_lists_in_variables(name, check):
    assert_valid(check(name, "", TRACKED_COIN_IDS="bitcoin, ethereum,top:25",
                       DEFAULT_CURRENCY="usd,eur"))


def test_the_file_is_used_and_the_variable_overrides_it(site, daemon, tmp_path):
    config = tmp_path / "the.conf"
    config.write_text('api: { frontend_port = 0; };\nkafka: { topic = "from-the-file"; }')
    one = daemon("fetcher", "--config", config, KAFKA_TOPIC="")
    one.wait_log("for topic from-the-file")
    two = daemon("fetcher", "--config", config, KAFKA_TOPIC=f"{site.name}-2")
    two.wait_log(f"for topic {site.name}-2")


# ---- secrets ---------------------------------------------------------------------------------

def postgres_accepts(site, daemon, *arguments, **variables):
    """Whether an api that is started so can log in."""
    api = daemon("api", *arguments, **{"FRONTEND_PORT": 0, "POSTGRES_PASSWORD": "",
                                       "REDIS_PASSWORD": "", **variables})
    api.wait_ready()
    answer = "database up" in api.status
    api.terminate()
    assert site.stack.password not in api.log
    return answer


def test_secret_from_each_place(site, daemon, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(site.stack.password + "\nsecond line\n")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "postgres-password").write_text(site.stack.password)
    config = tmp_path / "the.conf"
    config.write_text(f'postgres: {{ password_file = "{secret}"; }}')

    assert not postgres_accepts(site, daemon)
    assert not postgres_accepts(site, daemon, POSTGRES_PASSWORD="wrong")
    assert postgres_accepts(site, daemon, POSTGRES_PASSWORD=site.stack.password)
    assert postgres_accepts(site, daemon, POSTGRES_PASSWORD_FILE=secret)
    assert postgres_accepts(site, daemon, CREDENTIALS_DIRECTORY=credentials)
    assert postgres_accepts(site, daemon, "--config", config)
    # What comes later wins.
    assert postgres_accepts(site, daemon, POSTGRES_PASSWORD="wrong", CREDENTIALS_DIRECTORY=credentials)


def test_unreadable_secrets_are_told_by_name(name, check, tmp_path):
    told = complaint(check(name, "", REDIS_PASSWORD_FILE="/no/such/file"))
    assert "REDIS_PASSWORD_FILE" in told and "/no/such/file cannot be read" in told
    (tmp_path / "postgres-password").mkdir()
    assert "postgres-password" in complaint(check(name, "", CREDENTIALS_DIRECTORY=tmp_path))


@pytest.mark.parametrize("text, variables", [
    (f'coingecko: {{ api_key = "{SECRET}\\n"; }}', {}),
    ("", {"COINGECKO_API_KEY": SECRET + "\u00fc"}),
    (f'coingecko: {{ api_key = ["{SECRET}"]; }}', {}),
    (f'coingecko: {{ api_key_file = "/dev/null"; api_keys = "{SECRET}"; }}', {}),
    ("", {"POSTGRES_PASSWORD": SECRET * 100}),
])
def test_complaints_do_not_show_secrets(name, check, text, variables):
    assert SECRET not in complaint(check(name, text, **variables))


def test_plan_needs_its_key(check):
    for plan in ("demo", "pro"):
        told = complaint(check("fetcher", f'coingecko: {{ plan = "{plan}"; }}'))
        assert "coingecko.api_key is empty" in told
        assert_valid(check("fetcher", f'coingecko: {{ plan = "{plan}"; }}', COINGECKO_API_KEY="CG-x"))


# ---- the command line ------------------------------------------------------------------------

def test_help_and_version(name):
    done = run(name, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for word in ("--config", "--check-config", "kafka.topic", "KAFKA_TOPIC", "crypto-updates"):
        assert word in done.stdout
    done = run(name, "--version")
    assert re.fullmatch(rf"crypto-pulse-{name} \d+\.\d+\.\d+\S*\n", done.stdout)
    # Neither reads a configuration, which may be what is wrong.
    assert run(name, "--version", "--config", "/no/such/file").returncode == 0


@pytest.mark.parametrize("arguments", [["--nonsense"], ["stray"], ["--config"], ["-x"]])
def test_bad_command_lines(name, arguments):
    done = run(name, *arguments)
    assert done.returncode != 0
    assert arguments[0].lstrip("-") in done.stderr
