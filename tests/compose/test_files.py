"""What can be said of compose.yaml and its Dockerfile without a Docker engine."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

SOURCE = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((SOURCE / "compose.yaml").read_text())
# What no container needs to be told, or what the repair of gaps alone reads.
UNUSED = {"KAFKA_REPLICATION", "WEB_ROOT", "REPAIR_WINDOW_MS", "REPAIR_GAP_MIN_MS",
          "REPAIR_CALL_INTERVAL_MS", "REPAIR_MAX_RUN_MS"}
# What the place inside of a container decides.
FIXED = {"KAFKA_BROKER", "POSTGRES_HOST", "REDIS_HOST", "WEBSOCKET_LISTEN", "API_LISTEN",
         "FETCHER_STATE_DIRECTORY"}


def example():
    """The variables of .env.example."""
    return dict(line.split("=", 1) for line in (SOURCE / ".env.example").read_text().splitlines()
                if line and not line.startswith("#"))


def options():
    """The environment variables of the table of options."""
    return set(re.findall(r'\{ "[a-z_.]+", "([A-Z_]+)"', (SOURCE / "src/core/config.c").read_text()))


def compose_2():
    """The command of a Compose 2 that is at hand, or nothing."""
    kept = Path(os.environ.get("COMPOSE_DIR", "/var/tmp/crypto-pulse-compose"), "kept/docker-compose")
    for command in (["docker", "compose"], ["docker-compose"], [str(kept)]):
        try:
            done = subprocess.run([*command, "version", "--short"], text=True, check=False, capture_output=True)
        except OSError:
            continue
        if done.returncode == 0 and int(re.match(r"v?(\d+)", done.stdout)[1]) >= 2:
            return command
    return None


@pytest.fixture(scope="module", name="config")
def config_fixture():
    """config(ARGUMENT...): what `docker compose config` says; it needs no engine."""
    command = compose_2() or pytest.skip("no Docker Compose 2 is at hand")
    # Not the shell's own variables: they would come before those of the file.
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME")}

    def run(*arguments):
        return subprocess.run([*command, *arguments, "config", "--format", "json"], cwd=SOURCE, env=environment,
                              text=True, check=False, capture_output=True)
    return run


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.dev.yaml")])
def test_config(config, files):
    done = config("--env-file", ".env.example", "--profile", "sim", *(part for name in files for part in ("-f", name)))
    assert done.returncode == 0 and not done.stderr, done.stderr
    services = json.loads(done.stdout)["services"]
    # Two services that build one image get in each other's way.
    built = [service.get("image", name) for name, service in services.items() if "build" in service]
    assert len(built) == len(set(built)) >= 7
    # The options of the log are not every driver's.
    assert all(service["logging"]["driver"] for service in services.values() if "logging" in service)


def test_config_without_env_file(config, tmp_path):
    done = config("--project-directory", str(tmp_path), "-f", "compose.yaml")
    assert done.returncode != 0
    assert re.search(r"_PASSWORD is missing a value: set it in \.env; if there is none, cp \.env\.example \.env", done.stderr)


def test_every_variable_is_in_the_example():
    text = (SOURCE / "compose.yaml").read_text() + (SOURCE / "compose.dev.yaml").read_text()
    used = set(re.findall(r"\$\{([A-Z_]+)", text)) - {"COMPOSE_PROJECT_NAME"}
    assert used == set(example())


def test_every_option_reaches_the_daemons():
    assert len(options()) > 30
    assert options() - UNUSED - FIXED <= set(example())
    told = set(COMPOSE["x-source"]) | set(COMPOSE["x-configuration"])
    # Inside, the servers have their own ports.
    assert options() - UNUSED - {"POSTGRES_PORT", "REDIS_PORT"} <= told


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_service_is_closed_and_limited(name):
    service = COMPOSE["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] in ("no", "on-failure:5")
    assert service["mem_limit"]
    # The image of Kafka writes its configuration into its own folder.
    assert name == "kafka" or service["read_only"]
    for port in service.get("ports", ()):
        assert port.startswith(("${BIND_ADDRESS:-127.0.0.1}:", "127.0.0.1:"))
    if "build" not in service and name != "ports":
        assert service["healthcheck"] and ":" in service["image"]


def instructions():
    """(stage, instruction, rest) of the Dockerfile, with continued lines joined."""
    text = (SOURCE / "packaging/compose/Dockerfile").read_text().replace("\\\n", " ")
    stage = ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, rest = line.split(None, 1)
        if instruction == "FROM":
            stage = rest.split(" AS ")[1]
        yield stage, instruction, rest


def test_dockerfile():
    """The rules of hadolint that apply, and those of this project."""
    stages = {}
    for stage, instruction, rest in instructions():
        stages.setdefault(stage, {}).setdefault(instruction, []).append(rest)
        assert instruction not in ("ADD", "MAINTAINER"), rest  # DL3020, DL4000
        if instruction == "RUN" and "apt-get" in rest:
            assert "--no-install-recommends" in rest and " -y " in rest  # DL3014, DL3015
            assert "apt-get -q update" in rest and "rm -rf /var/lib/apt/lists/*" in rest  # DL3009
        if instruction == "RUN" and "|" in rest.replace("||", ""):
            assert stage == "build"  # its shell has pipefail, DL4006
        if instruction == "WORKDIR":
            assert rest.startswith("/")  # DL3000
        if instruction in ("CMD", "ENTRYPOINT"):
            assert rest.startswith("[")  # DL3025
        assert "sudo" not in rest  # DL3004
        if instruction == "COPY" and "--from=" not in rest and stage not in ("toolchain", "build"):
            assert rest.startswith(("--chmod=755 ", "--chown="))  # what is closed to others in the checkout
    for stage, parts in stages.items():
        image = parts["FROM"][0].split()[0]
        assert image in stages or re.fullmatch(r"(debian|node):[\w.]+-?[\w-]*slim|apache/kafka:[\d.]+", image)  # DL3006
        if image == "runtime":
            assert "USER" not in parts and parts["ENTRYPOINT"]
            assert stage == "setup" or parts["HEALTHCHECK"]
    assert stages["runtime"]["USER"] == ["crypto-pulse"]  # DL3002
