"""docker-compose.yml, as far as it can be judged without starting it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stack.plan import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text()


def compose_command() -> list[str] | None:
    """Compose as a plugin of docker, or the older program of its own."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
            return command
    return None


def test_it_is_valid_with_the_example_environment(tmp_path: Path) -> None:
    command = compose_command()
    if command is None:
        pytest.skip("no docker compose on this machine")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    checked = subprocess.run([*command, "config", "-q"], cwd=tmp_path, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_gateway_alone_is_published() -> None:
    assert COMPOSE.count("ports:") == 1
    assert "ports:" in service("gateway")


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("x-auth", {"signing.pem", "refresh.secret", "peer.secret", "auth.database_url"}),
        ("x-resource", {"notes.secret", "notes.database_url"}),
        ("gateway", {"peer.secret", "notes.secret"}),
        ("postgres", {"postgres.password"}),
        ("redis", set()),
    ],
)
def test_each_is_given_its_own_secrets_alone(name: str, secrets: set[str]) -> None:
    given = re.search(r"secrets: \[(.*)\]", service(name))
    assert set(given[1].split(", ") if given else ()) == secrets


def test_every_secret_that_is_given_is_declared() -> None:
    given = {name for names in re.findall(r"secrets: \[(.*)\]", COMPOSE) for name in names.split(", ")}
    assert compose_secret_files() == given


def test_every_service_is_hardened() -> None:
    names = re.findall(r"^  ([a-z-]+):$", COMPOSE[COMPOSE.index("\nservices:") : COMPOSE.index("\nnetworks:")], re.M)
    assert len(names) == 8
    for name in names:
        assert re.search(r"<<: \*(hardened|service|auth|resource)\n", service(name)), name


def compose_secret_files() -> set[str]:
    """Return the names of the files that are mounted as secrets."""
    return set(re.findall(r"^  (\S+): \{file: ", COMPOSE, re.MULTILINE))


def service(name: str) -> str:
    """The lines of a service, or of what services share."""
    found = re.search(rf"^( {{0,2}}){re.escape(name)}:.*\n((?:\1 +.*\n|\n)+)", COMPOSE, re.MULTILINE)
    assert found, name
    return found[2]
