"""docs/configuration.md names every variable a process reads, and no other."""

import re
import secrets
from importlib import import_module
from pathlib import Path

import pytest

from chassis.settings import Settings
from gateway.routing.loader import parse_routes
from gateway.routing.schema import RouteEntry, UpstreamEntry
from tests.gateway.certificates import Authority

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
SERVICES = {"Gateway": "gateway", "Auth service": "auth_service", "Resource service": "resource_service"}
OF_THE_STACK = {"DATA_DIR", "GATEWAY_PORT", "RESOURCE_URL", "AUTH_URL"}


def variables_of(package: str) -> set[str]:
    """The variables of every settings class of the service `package`."""
    members = vars(import_module(f"{package}.settings")).values()
    classes = [member for member in members if isinstance(member, type) and issubclass(member, Settings)]
    return {field.upper() for model in classes for field in model.model_fields}


def documented(section: str) -> set[str]:
    """The variables in the first column of the tables in `section`."""
    text = PAGE.read_text(encoding="utf-8")
    part = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)}


@pytest.mark.parametrize("section", SERVICES)
def test_each_service_and_its_page_name_the_same_variables(section: str) -> None:
    shared = documented("Every process") | OF_THE_STACK
    read, named = variables_of(SERVICES[section]) - shared, documented(section) - shared
    assert not read - named, f"docs/configuration.md, {section}: add a row for each of these"
    assert not named - read, f"docs/configuration.md, {section}: no process reads these, remove their rows"


def test_the_routes_file_with_one_of_everything_is_taken(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "reports.secret").write_text(secrets.token_hex(32))
    authority = Authority(tmp_path, "internal-ca")
    gateway = authority.issue("gateway")
    assert authority.file.name == "internal-ca.pem"
    gateway.cert.rename(tmp_path / "gateway.pem")
    gateway.key.rename(tmp_path / "gateway.key")
    table = parse_routes(example, environ={"WEATHER_KEY": "k"}, data_dir=tmp_path)
    assert len(table.routes) == example.count("[[routes]]")


def test_the_page_names_every_key_that_a_routes_file_may_have() -> None:
    part = PAGE.read_text(encoding="utf-8").split("\n### routes.toml\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("|")]
    named = {name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)}
    assert RouteEntry.model_fields.keys() | UpstreamEntry.model_fields.keys() <= named
