"""The RPM packages of packaging/rpm/build: what is in them, what they ask for, what their scriptlets
do; and installed, upgraded and erased by rpm in a Debian tree, offline and booted, where
systemd-stand-in.spec does what Fedora's systemd does. What is needed: root, rpmbuild, mmdebstrap,
systemd-nspawn, and CRYPTO_PULSE_RPMS, a folder with the packages, built on this host."""
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import FOLDER, HERE, PAGE, Host

RPM = HERE.parent.parent / "packaging/rpm"
NAMES = ["crypto-pulse", "crypto-pulse-sim", "kafka"]
MISSING = [p for p in ("rpmbuild", "mmdebstrap", "systemd-nspawn") if not shutil.which(p)]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the tests of the RPM packages need root"),
    pytest.mark.skipif(bool(MISSING), reason="the tests of the RPM packages need " + ", ".join(MISSING)),
    pytest.mark.skipif("CRYPTO_PULSE_RPMS" not in os.environ,
                       reason="the tests of the RPM packages need CRYPTO_PULSE_RPMS: see packaging/rpm/build"),
]

# Path, mode (755 and 644 if not said), flags of rpm (c: configuration, n: noreplace, d: documentation,
# l: licence). A * stands for names that a build makes up.
FILES = {
    "crypto-pulse": """
        /etc/crypto-pulse/
        /etc/crypto-pulse/cache.conf                    cn
        /etc/crypto-pulse/crypto-pulse.conf             cn
        /usr/lib/credstore/
        /usr/lib/credstore/crypto-pulse.coingecko-api-key -> /etc/crypto-pulse/credentials/coingecko-api-key
        /usr/lib/credstore/crypto-pulse.postgres-password -> /etc/crypto-pulse/credentials/postgres-password
        /usr/lib/credstore/crypto-pulse.redis-password -> /etc/crypto-pulse/credentials/redis-password
        /usr/lib/systemd/catalog/crypto-pulse.catalog
        /usr/lib/systemd/system-preset/50-crypto-pulse.preset
        /usr/lib/systemd/system/crypto-pulse-api.service
        /usr/lib/systemd/system/crypto-pulse-api.socket
        /usr/lib/systemd/system/crypto-pulse-cache.service
        /usr/lib/systemd/system/crypto-pulse-fetcher.service
        /usr/lib/systemd/system/crypto-pulse-frontend.socket
        /usr/lib/systemd/system/crypto-pulse-maintenance.service
        /usr/lib/systemd/system/crypto-pulse-maintenance.timer
        /usr/lib/systemd/system/crypto-pulse-setup.service
        /usr/lib/systemd/system/crypto-pulse-websocket.service
        /usr/lib/systemd/system/crypto-pulse-websocket.socket
        /usr/lib/systemd/system/crypto-pulse-websocket@.service
        /usr/lib/systemd/system/crypto-pulse-websocket@.socket
        /usr/lib/systemd/system/crypto-pulse.target
        /usr/lib/sysusers.d/crypto-pulse.conf
        /usr/lib/tmpfiles.d/crypto-pulse.conf
        /usr/libexec/crypto-pulse/
        /usr/libexec/crypto-pulse/config-get            755
        /usr/libexec/crypto-pulse/make-topic            755
        /usr/sbin/crypto-pulse-api                      755
        /usr/sbin/crypto-pulse-fetcher                  755
        /usr/sbin/crypto-pulse-maintenance              755
        /usr/sbin/crypto-pulse-set-key                  755
        /usr/sbin/crypto-pulse-setup                    755
        /usr/sbin/crypto-pulse-websocket                755
        /usr/share/bash-completion/completions/crypto-pulse-api
        /usr/share/bash-completion/completions/crypto-pulse-fetcher
        /usr/share/bash-completion/completions/crypto-pulse-maintenance
        /usr/share/bash-completion/completions/crypto-pulse-set-key
        /usr/share/bash-completion/completions/crypto-pulse-setup
        /usr/share/bash-completion/completions/crypto-pulse-websocket
        /usr/share/crypto-pulse/
        /usr/share/crypto-pulse/sql/
        /usr/share/crypto-pulse/sql/001_prices.sql
        /usr/share/crypto-pulse/sql/0*.sql
        /usr/share/crypto-pulse/web/
        /usr/share/crypto-pulse/web/index.html
        /usr/share/crypto-pulse/web/index.html.br
        /usr/share/crypto-pulse/web/index.html.gz
        /usr/share/crypto-pulse/web/assets/
        /usr/share/crypto-pulse/web/assets/*.css
        /usr/share/crypto-pulse/web/assets/*.css.br
        /usr/share/crypto-pulse/web/assets/*.css.gz
        /usr/share/crypto-pulse/web/assets/*.js
        /usr/share/crypto-pulse/web/assets/*.js.br
        /usr/share/crypto-pulse/web/assets/*.js.gz
        /usr/share/crypto-pulse/web/assets/*.svg
        /usr/share/crypto-pulse/web/assets/*.svg.br
        /usr/share/crypto-pulse/web/assets/*.svg.gz
        /usr/share/crypto-pulse/web/assets/*.woff2
        /usr/share/doc/crypto-pulse/
        /usr/share/doc/crypto-pulse/NEWS.md             d
        /usr/share/doc/crypto-pulse/README.Fedora       d
        /usr/share/doc/crypto-pulse/README.md           d
        /usr/share/doc/crypto-pulse/examples/
        /usr/share/doc/crypto-pulse/examples/nginx.conf d
        /usr/share/doc/crypto-pulse/examples/remote-servers.conf d
        /usr/share/licenses/crypto-pulse/
        /usr/share/licenses/crypto-pulse/LICENSE        l
        /usr/share/licenses/crypto-pulse/copyright      l
        /usr/share/man/man5/crypto-pulse.conf.5.gz      d
        /usr/share/man/man8/crypto-pulse-api.8.gz       d
        /usr/share/man/man8/crypto-pulse-fetcher.8.gz   d
        /usr/share/man/man8/crypto-pulse-maintenance.8.gz d
        /usr/share/man/man8/crypto-pulse-set-key.8.gz   d
        /usr/share/man/man8/crypto-pulse-setup.8.gz     d
        /usr/share/man/man8/crypto-pulse-websocket.8.gz d
        """,
    "crypto-pulse-sim": """
        /usr/bin/coingecko-sim                          755
        /usr/lib/systemd/system/coingecko-sim.service
        /usr/sbin/crypto-pulse-simulate                 755
        /usr/share/bash-completion/completions/coingecko-sim
        /usr/share/bash-completion/completions/crypto-pulse-simulate
        /usr/share/licenses/crypto-pulse-sim/
        /usr/share/licenses/crypto-pulse-sim/LICENSE    l
        /usr/share/man/man1/coingecko-sim.1.gz          d
        /usr/share/man/man8/crypto-pulse-simulate.8.gz  d
        """,
    "kafka": """
        /etc/kafka/
        /etc/kafka/jvm.options                          cn
        /etc/kafka/log4j2.properties                    cn
        /etc/kafka/server.properties                    cn
        /usr/lib/systemd/system/kafka.service
        /usr/lib/sysusers.d/kafka.conf
        /usr/share/kafka/
        /usr/share/kafka/jvm.options -> ../../../etc/kafka/jvm.options
        /usr/share/kafka/kafka-await                    755
        /usr/share/kafka/kafka-format                   755
        /usr/share/kafka/kafka-run                      755
        /usr/share/kafka/libs/
        /usr/share/kafka/libs/kafka_2.13-*.jar
        /usr/share/kafka/libs/*.jar
        /usr/share/kafka/log4j2.properties -> ../../../etc/kafka/log4j2.properties
        /usr/share/doc/kafka/
        /usr/share/doc/kafka/NOTICE                     d
        /usr/share/doc/kafka/README                     d
        /usr/share/licenses/kafka/
        /usr/share/licenses/kafka/LICENSE               l
        /usr/share/licenses/kafka/copyright             l
        """,
}

SOCKETS = {"crypto-pulse-api.socket", "crypto-pulse-frontend.socket", "crypto-pulse-websocket.socket"}
# What is restarted after an upgrade.
RESTARTED = {
    "crypto-pulse": {"crypto-pulse-setup.service", "crypto-pulse-cache.service", "crypto-pulse-fetcher.service",
                     "crypto-pulse-websocket.service", "crypto-pulse-api.service",
                     "crypto-pulse-maintenance.timer"},
    "crypto-pulse-sim": {"coingecko-sim.service"},
    "kafka": {"kafka.service"},
}
UNITS = {**RESTARTED, "crypto-pulse": RESTARTED["crypto-pulse"] | SOCKETS | {"crypto-pulse.target"}}


def output(*command, **options):
    # Debian's rpm has its database in the home folder.
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "HOME": str(FOLDER)}, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def rpms():
    """Name to file."""
    found = {output("rpm", "-qp", "--qf", "%{NAME}", file): file
             for file in pathlib.Path(os.environ["CRYPTO_PULSE_RPMS"]).resolve().glob("*.rpm")}
    assert sorted(found) == NAMES
    return found


def query(rpm, *arguments):
    return output("rpm", "-qp", *arguments, rpm)


# ---- what is in them ------------------------------------------------------------------------

def parse_expected(text):
    """The lines of FILES as (pattern, mode, flags, target of a link)."""
    for line in text.split("\n"):
        words = line.split()
        if not words:
            continue
        path, link = words[0], words[2] if "->" in words else ""
        rest = [] if link else words[1:]
        mode = "lrwxrwxrwx" if link else "drwxr-xr-x" if path.endswith("/") else \
            "-rwxr-xr-x" if "755" in rest else "-rw-r--r--"
        yield path.rstrip("/"), mode, "".join(w for w in rest if w != "755"), link


@pytest.mark.parametrize("name", NAMES)
def test_files(rpms, name):
    packed = [tuple(line.split("|")) for line in query(
        rpms[name], "--qf", "[%{FILENAMES}|%{FILEMODES:perms}|%{FILEFLAGS:fflags}|%{FILELINKTOS}\n]").splitlines()]
    expected = list(parse_expected(FILES[name]))
    matching = {line: [p for p in packed if fnmatch.fnmatchcase(p[0], line[0]) and p[1:] == line[1:]]
                for line in expected}
    assert [line for line, found in matching.items() if not found] == [], "not in the package"
    known = {p for found in matching.values() for p in found}
    assert [p for p in packed if p not in known] == [], "not expected"
    owners = set(query(rpms[name], "--qf", "[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]").split())
    assert owners == {"root:root"}


def test_times_and_host(rpms):
    """Nothing of the build shows: it can be repeated."""
    for name, rpm in rpms.items():
        # At the beginning of the day; rpm takes an entry of the changelog for noon.
        changed = int(query(rpm, "--qf", "[%{CHANGELOGTIME} ]").split()[0]) - 12 * 3600
        assert query(rpm, "--qf", "%{BUILDTIME} %{BUILDHOST}") == f"{changed} localhost", name
        assert max(map(int, query(rpm, "--qf", "[%{FILEMTIMES} ]").split())) <= changed, name


def test_rpmlint(rpms):
    if not shutil.which("rpmlint"):
        pytest.skip("rpmlint is missing")
    said = output("rpmlint", "-c", RPM / "rpmlint.toml", *sorted(RPM.glob("*.spec")), *rpms.values())
    assert "3 packages and 2 specfiles checked; 0 errors, 0 warnings" in said


# ---- what they ask for ----------------------------------------------------------------------

def dependencies(rpm, kind):
    """Without what rpm finds by itself: libraries, its own features, configuration."""
    found = set(query(rpm, f"--{kind}").splitlines())
    return {line for line in found if not re.match(r"rpmlib\(|config\(|rtld\(|lib[\w.-]+\.so|.*\(x86-64\)", line)}


@pytest.mark.parametrize("name, kind, expected", [
    ("crypto-pulse", "requires", {"/bin/sh", "ca-certificates", "postgresql", "systemd", "util-linux"}),
    ("crypto-pulse", "recommends", {"kafka", "postgresql-server", "redis"}),
    ("crypto-pulse", "suggests", {"crypto-pulse-sim", "nginx"}),
    ("crypto-pulse-sim", "requires", {"/bin/sh", "systemd"}),
    ("crypto-pulse-sim", "enhances", {"crypto-pulse"}),
    ("kafka", "requires", {"/bin/sh", "/bin/bash", "java-headless >= 1:17", "systemd"}),
    ("kafka", "recommends", set()),
])
def test_dependencies(rpms, name, kind, expected):
    assert dependencies(rpms[name], kind) == expected


def test_provides(rpms):
    for name, rpm in rpms.items():
        version = query(rpm, "--qf", "%{VERSION}-%{RELEASE}")
        assert dependencies(rpm, "provides") == {f"{name} = {version}"}


def test_libraries(rpms):
    """rpm has found them, so that the right packages come along."""
    needed = query(rpms["crypto-pulse"], "--requires")
    for library in ["libcurl", "libhiredis", "libjansson", "libconfig", "libpq", "librdkafka", "libsystemd",
                    "libwebsockets"]:
        assert re.search(rf"^{library}\.so\.[0-9.]+\(\)\(64bit\)$", needed, re.MULTILINE), library


@pytest.mark.parametrize("release", ["fedora 43", "rhel 10"])
def test_cache_server(release):
    """Where there is Valkey instead of Redis, the unit runs it."""
    macros = ["--load", RPM / "macros.debian", "--define", release]
    spec = RPM / "crypto-pulse.spec"
    recommended = output("rpmspec", "-q", *macros, "--qf", "[%{RECOMMENDS} ]", spec).split()
    assert "valkey" in recommended and "redis" not in recommended
    assert "s|/usr/bin/redis-server|/usr/bin/valkey-server|" in output("rpmspec", "-P", *macros, spec)


# ---- what their scriptlets do ---------------------------------------------------------------

def scriptlet(rpm, tag):
    text = query(rpm, "--qf", f"%{{{tag}}}")
    return "" if text == "(none)" else text


def helper_calls(text):
    """What the scriptlet has systemd-update-helper do: verb to units."""
    return {verb: set(units.split()) for verb, units
            in re.findall(r"^ *\S+/systemd-update-helper ([a-z-]+) (.*?) \|\| :", text, re.MULTILINE)}


@pytest.mark.parametrize("name", NAMES)
def test_scriptlets(rpms, name):
    rpm = rpms[name]
    assert helper_calls(scriptlet(rpm, "POSTIN")) == {"install-system-units": UNITS[name]}
    assert helper_calls(scriptlet(rpm, "PREUN")) == {"remove-system-units": UNITS[name]}
    assert helper_calls(scriptlet(rpm, "POSTUN")) == {"mark-restart-system-units": RESTARTED[name]}
    for tag in ["PREIN", "PRETRANS", "POSTTRANS"]:
        assert scriptlet(rpm, tag) == ""
    # Sockets stay as they are, and nothing is started.
    assert ".socket" not in scriptlet(rpm, "POSTUN")
    for tag in ["POSTIN", "POSTUN"]:
        assert not re.search(r"systemctl (start|restart|try-restart|enable)", scriptlet(rpm, tag))


# ---- a tree to install into -----------------------------------------------------------------

def debian_packages_of(rpms):
    """The packages that have the libraries, as on this host, where the programs were built."""
    needed = {line.split("(")[0] for rpm in rpms.values() for line in query(rpm, "--requires").splitlines()
              if re.match(r"lib[\w.-]+\.so", line)}
    return {output("dpkg", "-S", f"*/{library}").split(":")[0] for library in needed}


@pytest.fixture(scope="session")
def base(rpms):
    """Debian's minimum with systemd, rpm and the libraries; kept for the next time."""
    codename = re.search(r"VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text())[1]
    include = ",".join(sorted({"systemd", "systemd-sysv", "dbus", "procps", "python3", "rpm"}
                              | debian_packages_of(rpms)))
    recipe = f"{codename} {include}\n"
    folder, ready = FOLDER / "base-rpm", FOLDER / "base-rpm.ready"
    if not ready.exists() or ready.read_text() != recipe:
        output("rm", "-rf", "--one-file-system", folder, ready)
        FOLDER.mkdir(parents=True, exist_ok=True)
        output("unshare", "--mount", "mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}",
               codename, folder)
        ready.write_text(recipe)
    return folder


def rpmbuild(folder, spec, *arguments):
    """The packages that it made, by name."""
    output("rpmbuild", "-bb", "--nodeps", "--dbpath", folder / "db", "--load", RPM / "macros.debian",
           "--define", f"_topdir {folder}", *arguments, spec)
    return {output("rpm", "-qp", "--qf", "%{NAME}", rpm): rpm for rpm in (folder / "RPMS").glob("*/*.rpm")}


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    return rpmbuild(tmp_path_factory.mktemp("stand-in"), HERE / "systemd-stand-in.spec")["systemd-stand-in"]


@pytest.fixture(scope="session")
def upgrade(rpms, tmp_path_factory):
    """The same files, but for one line of each configuration file, as the next release: the spec's
    steps of building take them from the package."""
    folder = tmp_path_factory.mktemp("upgrade")
    files = folder / "files"
    files.mkdir()
    for name in ["crypto-pulse", "crypto-pulse-sim"]:
        output("sh", "-c", 'rpm2archive - <"$1" | tar -xz', "sh", rpms[name], cwd=files)
    for name in ["usr/share/doc", "usr/share/licenses"]:
        shutil.rmtree(files / name)
    for configuration in (files / "etc/crypto-pulse").iterdir():
        configuration.write_text(configuration.read_text() + "# new in this release\n")
    spec = (RPM / "crypto-pulse.spec").read_text()
    assert "Release:        1%" in spec
    spec = re.sub(r"^%check\n.*\n", "", spec.replace("Release:        1%", "Release:        2%"), flags=re.MULTILINE)
    (folder / "next.spec").write_text(spec)
    source = "crypto-pulse-" + re.search(r"^Version: *(.*)", spec, re.MULTILINE)[1]
    (folder / "SOURCES").mkdir()
    output("tar", "-C", RPM.parent.parent, f"--transform=s|^|{source}/|", "-cJf", folder / f"SOURCES/{source}.tar.xz",
           "LICENSE", "README.md", "NEWS.md", "packaging")
    return rpmbuild(folder, folder / "next.spec", "--define", "configure :", "--define", "make_build :",
                    "--define", f"make_install cp -a {files}/. %{{buildroot}}")


class Root:
    """A copy of the tree, not booted: rpm installs into it from outside."""

    def __init__(self, base):
        self.folder = FOLDER / "rpm-root"
        output("rm", "-rf", "--one-file-system", self.folder)
        output("cp", "-a", "--reflink=auto", base, self.folder)
        (self.folder / "etc/machine-id").write_text("")

    def __truediv__(self, path):
        return self.folder / path

    def isolated(self, script, *arguments):
        """A shell with the tree's /proc, $1 is the tree."""
        return output("unshare", "--mount", "sh", "-euc", f'mount -t proc proc "$1/proc"\n{script}', "sh", self.folder,
                      *arguments)

    def run(self, command):
        """A line of shell in the tree."""
        return self.isolated('exec chroot "$1" sh -euc "$2"', command)

    def rpm(self, *arguments):
        return self.isolated('root=$1\nshift\nexec rpm --root "$root" --dbpath /var/lib/rpm "$@"', *arguments)

    def helper_calls(self):
        """What systemd-update-helper was told since the last time: verb to units."""
        calls = {}
        log = self / "var/log/update-helper"
        for verb, *units in map(str.split, log.read_text().splitlines()):
            calls.setdefault(verb, set()).update(units)
        log.unlink()
        return calls


@pytest.fixture(scope="module")
def root(base, stand_in):
    root = Root(base)
    root.rpm("-i", "--nodeps", stand_in)
    yield root
    output("rm", "-rf", "--one-file-system", root.folder)


# ---- installed into a scratch root; these build on each other -------------------------------

def test_install(root, rpms):
    # What they depend on are packages of Debian, which rpm does not know.
    said = root.rpm("-i", "--nodeps", *rpms.values())
    assert not re.search("warning|error|scriptlet", said), said
    assert root.helper_calls() == {"install-system-units": set().union(*UNITS.values()), "reload-restart": set()}
    # Nothing differs from what was packed.
    assert root.rpm("-V", "--nodeps", *NAMES) == ""


def test_users(root):
    users = dict(line.split(":", 1) for line in (root / "etc/passwd").read_text().splitlines())
    assert users["crypto-pulse"].endswith(":Crypto Pulse:/var/lib/crypto-pulse:/usr/sbin/nologin")
    assert users["kafka"].endswith(":Apache Kafka:/var/lib/kafka:/usr/sbin/nologin")
    credentials = (root / "etc/crypto-pulse/credentials").stat()
    assert (credentials.st_mode & 0o7777, credentials.st_uid) == (0o700, 0)


@pytest.mark.parametrize("program", ["crypto-pulse-api", "crypto-pulse-fetcher", "crypto-pulse-websocket",
                                     "crypto-pulse-maintenance", "coingecko-sim"])
def test_programs_run(root, rpms, program):
    version = query(rpms["crypto-pulse"], "--qf", "%{VERSION}")
    assert version in root.run(f"{program} --version")


def test_shipped_configuration_is_valid(root):
    for daemon in ["api", "fetcher", "websocket"]:
        root.run(f"crypto-pulse-{daemon} --check-config")


def test_scripts_run(root):
    assert "Usage: crypto-pulse-setup" in root.run("crypto-pulse-setup --help")
    assert "Usage: crypto-pulse-simulate" in root.run("crypto-pulse-simulate --help")
    assert root.run("/usr/libexec/crypto-pulse/config-get postgres.host") == "/run/postgresql\n"


def test_cache_is_found(root):
    """The api and the cache meet at the same socket, without a line of configuration."""
    assert "\nunixsocket /run/crypto-pulse-cache/redis.sock\n" in (root / "etc/crypto-pulse/cache.conf").read_text()
    assert root.run("/usr/libexec/crypto-pulse/config-get redis.host") == "/run/crypto-pulse-cache/redis.sock\n"
    unit = (root / "usr/lib/systemd/system/crypto-pulse-cache.service").read_text()
    assert unit.count("/usr/bin/redis-server") == 2, "the spec changes the name where Valkey is used"


def test_nothing_is_enabled(root):
    units = sorted(UNITS["crypto-pulse"] | UNITS["crypto-pulse-sim"] | UNITS["kafka"])
    states = root.run(f"systemctl is-enabled {' '.join(units)} || true").split()
    assert states == ["disabled"] * len(units)


def test_units_are_valid(root):
    said = root.run("systemd-analyze verify --man=no crypto-pulse.target crypto-pulse-maintenance.timer"
                    " crypto-pulse-websocket@8081.service coingecko-sim.service kafka.service 2>&1")
    assert said == ""


def test_catalog(root):
    assert "CoinGecko refuses the API key" in root.run("journalctl --list-catalog")


def test_offline_upgrade_keeps_configuration(root, upgrade):
    mine = root / "etc/crypto-pulse/crypto-pulse.conf"
    mine.write_text(mine.read_text() + "# mine\n")
    root.run("systemctl enable -q crypto-pulse.target crypto-pulse-websocket@8081.service")
    root.rpm("-U", "--nodeps", *upgrade.values())
    assert mine.read_text().endswith("# mine\n")
    assert (root / "etc/crypto-pulse/crypto-pulse.conf.rpmnew").read_text().endswith("# new in this release\n")
    # What was not changed is renewed.
    assert (root / "etc/crypto-pulse/cache.conf").read_text().endswith("# new in this release\n")
    assert not list((root / "etc/crypto-pulse").glob("cache.conf.*"))
    assert root.run("systemctl is-enabled crypto-pulse.target") == "enabled\n"
    assert root.helper_calls() == {"mark-restart-system-units": RESTARTED["crypto-pulse"] | RESTARTED["crypto-pulse-sim"],
                                   "reload-restart": set()}


def test_erase_keeps_data(root):
    (root / "var/lib/crypto-pulse").mkdir()
    (root / "var/lib/crypto-pulse/calls").write_text("7")
    (root / "var/lib/kafka").mkdir()
    key = root / "etc/crypto-pulse/credentials/coingecko-api-key"
    key.write_text("secret\n")
    simulated = root / "etc/systemd/system/crypto-pulse-fetcher.service.d/simulator.conf"
    simulated.parent.mkdir()
    simulated.write_text("# as crypto-pulse-simulate writes it\n")
    root.rpm("-e", *NAMES)
    assert (root / "var/lib/crypto-pulse/calls").read_text() == "7"
    assert (root / "var/lib/kafka").is_dir()
    assert key.read_text() == "secret\n"
    assert (root / "etc/crypto-pulse/crypto-pulse.conf.rpmsave").read_text().endswith("# mine\n")
    assert not (root / "etc/crypto-pulse/crypto-pulse.conf").exists()
    assert not (root / "etc/crypto-pulse/cache.conf").exists()
    assert not (root / "etc/kafka").exists()
    for folder in ["usr/share/crypto-pulse", "usr/libexec/crypto-pulse", "usr/share/kafka"]:
        assert not (root / folder).exists()
    # No link to a unit that is gone, and no drop-in for the simulator.
    left = [p for p in (root / "etc/systemd/system").rglob("*") if re.search("crypto-pulse|coingecko|kafka", p.name)]
    assert left == []


# ---- on a booted host -----------------------------------------------------------------------

SERVICES = ["crypto-pulse-api.service", "crypto-pulse-fetcher.service", "crypto-pulse-websocket@8081.service"]


@pytest.fixture(scope="module")
def host(base, rpms, stand_in):
    """The packages are installed; the sockets are open, and some services run without their peers."""
    # Where container keeps what is installed on top of a tree: nothing yet.
    (FOLDER / "installed-rpm").mkdir(exist_ok=True)
    host = Host("rpm")
    for rpm in [stand_in, *rpms.values()]:
        shutil.copy(rpm, host.root / "root")
    host.run("rpm -i --nodeps /root/systemd-stand-in*.rpm && rpm -i --nodeps /root/crypto-pulse*.rpm")
    host.run(f"systemctl start {' '.join(SOCKETS)} crypto-pulse-websocket@8081.socket {' '.join(SERVICES[:2])}")
    # It is not ready without Kafka.
    host.run(f"systemctl start --no-block {SERVICES[2]}")
    host.wait(f"[ $(systemctl show -P MainPID {SERVICES[2]}) != 0 ]")
    yield host
    host.stop()


def invocations(host, units):
    """It changes with every start of a unit."""
    return {unit: host.show(unit, "InvocationID") for unit in units}


def test_upgrade_restarts_services_and_keeps_sockets(host, upgrade):
    for rpm in upgrade.values():
        shutil.copy(rpm, host.root / "root")
    sockets, services = invocations(host, SOCKETS), invocations(host, SERVICES)
    with host.load(f"{PAGE}/") as load:
        host.run("rpm -U --nodeps /root/crypto-pulse-*-2.*.rpm")
        for unit, invocation in services.items():
            host.wait(f"[ $(systemctl show -P InvocationID {unit}) != {invocation} ] &&"
                      f" [ $(systemctl show -P MainPID {unit}) != 0 ]")
        host.wait("systemctl is-active -q crypto-pulse-api.service")
    print(load.result)
    assert load.result["requests"] > 20 and load.result["failures"] == []
    assert invocations(host, SOCKETS) == sockets


def test_erase_stops_all(host):
    host.run("systemctl enable -q crypto-pulse.target crypto-pulse-websocket@8081.service")
    host.run("rpm -e crypto-pulse crypto-pulse-sim")
    assert host.run("systemctl list-units --plain --no-legend 'crypto-pulse*' coingecko-sim.service") == ""
    assert host.run("pgrep -f '^/usr/sbin/crypto-pulse-' || true") == ""
    assert host.run("find /etc/systemd/system -name '*crypto-pulse*'") == ""
    assert host.run("getent passwd crypto-pulse") != ""
    assert host.succeeds("[ -d /var/lib/crypto-pulse ]")
