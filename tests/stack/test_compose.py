"""docker-compose.yml is valid, complete and hardened. These tests read it and start no containers."""

import os
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from chassis.settings import Settings
from stack.plan import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text()
BALANCER = ROOT / "deploy" / "compose" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
SERVICES = {"x-auth": "auth_service", "x-resource": "resource_service", "gateway": "gateway"}
SET_BY_COMPOSE = {
    "APP_ENV",
    "AUTH_BIND",
    "DATA_DIR",
    "DATABASE_URL",
    "GATEWAY_BIND",
    "GATEWAY_PORT",
    "IDENTITY_SECRET",
    "PEER_SECRET",
    "PREVIOUS_SIGNING_KEY",
    "PROXY_PROTOCOL",
    "REFRESH_SECRET",
    "RESOURCE_BIND",
    "SIGNING_KEY",
}
"""Settings that docker-compose.yml sets itself or reads from secret files, not from `.env`."""
COMPOSE_ONLY = {
    "AUTH_CONTAINERS",
    "AUTH_MEMORY",
    "EDGE_SUBNET",
    "GATEWAY_CONTAINERS",
    "GATEWAY_MEMORY",
    "POSTGRES_MEMORY",
    "PUBLISH_ADDRESS",
    "REDIS_MEMORY",
    "RESOURCE_CONTAINERS",
    "RESOURCE_MEMORY",
    "SECRETS_DIR",
}
"""Variables that only docker-compose.yml reads."""


def compose_command() -> list[str] | None:
    """Return the command of Compose: the docker plugin, or the older separate program."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
            return command
    return None


def test_compose_accepts_the_file_with_the_example_environment(tmp_path: Path) -> None:
    command = compose_command()
    if command is None:
        pytest.skip("no docker compose on this machine")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    result = subprocess.run([*command, "config", "-q"], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_only_the_load_balancer_publishes_a_port() -> None:
    assert COMPOSE.count("ports:") == 1
    assert "ports:" in service("balancer")


def test_gateways_can_be_scaled() -> None:
    """They have no container name, host name, address or published port, and the load balancer finds each of them."""
    assert not re.search(r"container_name|ports:|hostname:|ipv4_address", service("gateway"))
    assert "server-template gateway 16 gateway:8000" in BALANCER.read_text()
    assert "PROXY_PROTOCOL: v2" in service("gateway")
    assert "send-proxy-v2 check-send-proxy" in BALANCER.read_text()


@pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed")
def test_the_load_balancers_configuration_is_valid() -> None:
    result = subprocess.run([str(HAPROXY), "-c", "-f", str(BALANCER)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING" not in result.stderr


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("balancer", set()),
        ("x-auth", {"signing.pem", "previous_signing.pem", "refresh.secret", "peer.secret", "auth.database_url"}),
        ("x-resource", {"notes.secret", "notes.database_url"}),
        ("gateway", {"peer.secret", "notes.secret"}),
        ("postgres", {"postgres.password"}),
        ("redis", set()),
    ],
)
def test_each_service_mounts_only_its_own_secrets(name: str, secrets: set[str]) -> None:
    mounted = re.search(r"secrets: \[(.*)\]", service(name))
    assert set(mounted[1].split(", ") if mounted else ()) == secrets


def test_every_mounted_secret_is_declared() -> None:
    mounted = {name for names in re.findall(r"secrets: \[(.*)\]", COMPOSE) for name in names.split(", ")}
    assert compose_secret_files() == mounted


def test_every_service_is_hardened() -> None:
    names = re.findall(r"^  ([a-z-]+):$", COMPOSE[COMPOSE.index("\nservices:") : COMPOSE.index("\nnetworks:")], re.M)
    assert len(names) == 9, "the regular expression finds every service (raise the number for a new one)"
    for name in names:
        assert re.search(r"<<: \*(hardened|service|auth|resource)\n", service(name)), name


def test_every_service_has_limits_on_logs_memory_and_processes() -> None:
    assert re.search(
        r"pids_limit: \d+\n  logging:\n    driver: json-file\n    options: .*max-size", service("x-hardened")
    )
    for name in ("balancer", "gateway", "x-auth", "x-resource", "roles", "postgres", "redis"):
        assert "mem_limit: " in service(name), f"docker-compose.yml, {name}: give it a mem_limit"


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_receives_exactly_the_settings_that_it_reads(name: str) -> None:
    document = yaml.safe_load(COMPOSE)
    passed = (document.get(name) or document["services"][name])["environment"]
    reads = settings_of(SERVICES[name])
    for setting in sorted(reads - passed.keys() - {variable.removesuffix("_FILE") for variable in passed}):
        if setting not in {"GATEWAY_PORT"}:
            pytest.fail(
                f"docker-compose.yml does not pass a setting: add `{setting}: ${{{setting}:-}}` to {name}.environment"
            )
    for variable, value in passed.items():
        setting = variable if variable in reads or variable == "RESOURCE_URL" else variable.removesuffix("_FILE")
        assert setting in reads | {"RESOURCE_URL"}, (
            f"docker-compose.yml: {SERVICES[name]} reads no {variable}: remove it"
        )
        if setting not in SET_BY_COMPOSE and setting != "GATEWAY_ROUTES":
            assert re.search(rf"\$\{{{setting}:-", value), f"docker-compose.yml: {name} must pass {setting} from .env"


def test_the_example_environment_lists_exactly_what_compose_reads() -> None:
    example = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE))
    assert not read - example, "add what docker-compose.yml reads to .env.example, with a comment"
    missing = example - read - SET_BY_COMPOSE
    assert not missing, (
        "docker-compose.yml does not pass these: pass each to the service that reads it, or add it to SET_BY_COMPOSE"
    )
    assert read - set().union(*map(settings_of, SERVICES.values())) - {"RESOURCE_URL"} == COMPOSE_ONLY


def test_the_docs_list_the_settings_that_only_compose_reads() -> None:
    page = (ROOT / "docs" / "docker-compose.md").read_text()
    assert set(re.findall(r"`([A-Z][A-Z0-9_]+)`", page)) >= COMPOSE_ONLY


def settings_of(package: str) -> set[str]:
    """Return the variables that the service `package` reads."""
    members = vars(import_module(f"{package}.settings")).values()
    models = [member for member in members if isinstance(member, type) and issubclass(member, Settings)]
    return {field.upper() for model in models for field in model.model_fields}


def compose_secret_files() -> set[str]:
    """Return the names of the files that are mounted as secrets."""
    return set(re.findall(r"^  (\S+): \{file: ", COMPOSE, re.MULTILINE))


def service(name: str) -> str:
    """Return the lines of a service or of a shared block in docker-compose.yml."""
    found = re.search(rf"^( {{0,2}}){re.escape(name)}:.*\n((?:\1 +.*\n|\n)+)", COMPOSE, re.MULTILINE)
    assert found, name
    return found[2]


def test_an_image_run_without_compose_is_in_production_mode() -> None:
    assert "APP_ENV=production" in (ROOT / "Dockerfile").read_text()


def test_the_label_of_the_images_has_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in (ROOT / "Dockerfile").read_text()


def test_the_development_file_changes_only_services_that_exist() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    changed = yaml.safe_load((ROOT / "deploy" / "compose" / "development.yml").read_text())["services"]
    assert changed.keys() <= services.keys()


def test_up_names_what_is_missing(tmp_path: Path) -> None:
    """Without Docker, `make up` prints one line."""
    tools = ("sh", "make", "python3", "dirname", "sed", "awk", "find")
    for tool in tools:
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    result = subprocess.run(
        ["make", "up"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 2
    assert result.stderr.startswith("Docker Compose is needed, and `docker compose version` fails")
