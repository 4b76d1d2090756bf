"""docs/settings.md names every variable that a process reads, and docs/routes.md every key of a routes file."""

import re
import secrets
from importlib import import_module
from pathlib import Path

import pytest

from chassis.settings import Settings
from gateway.routing.loader import parse_routes
from gateway.routing.schema import RouteEntry, UpstreamEntry
from tests.gateway.stand_ins.certificates import Authority

ROOT = Path(__file__).parents[2]
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
ROUTES_PAGE = ROOT / "docs" / "routes.md"
SERVICES = {"Gateway": "gateway", "Auth service": "auth_service", "Resource service": "resource_service"}
STACK_VARIABLES = {"DATA_DIR", "GATEWAY_PORT", "RESOURCE_URL", "AUTH_URL"}


def variables_of(package: str) -> set[str]:
    """Return the variables of every settings class of the service `package`."""
    members = vars(import_module(f"{package}.settings")).values()
    classes = [member for member in members if isinstance(member, type) and issubclass(member, Settings)]
    return {field.upper() for model in classes for field in model.model_fields}


def documented(section: str) -> set[str]:
    """Return the variables in the first column of the tables in `section`."""
    text = SETTINGS_PAGE.read_text(encoding="utf-8")
    part = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)}


@pytest.mark.parametrize("section", SERVICES)
def test_each_service_and_its_page_name_the_same_variables(section: str) -> None:
    shared = documented("Every process") | STACK_VARIABLES
    read, named = variables_of(SERVICES[section]) - shared, documented(section) - shared
    assert not read - named, f"docs/settings.md, {section}: add a row for each of these"
    assert not named - read, f"docs/settings.md, {section}: no process reads these, remove their rows"


def example_of_every_key() -> str:
    """Return the example at the end of the routes page."""
    section = ROUTES_PAGE.read_text(encoding="utf-8").split("\n## An example of every key\n", 1)[1]
    (example,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    return str(example)


def test_the_example_of_every_key_is_a_valid_routes_file(tmp_path: Path) -> None:
    example = example_of_every_key()
    (tmp_path / "reports.secret").write_text(secrets.token_hex(32))
    authority = Authority(tmp_path, "internal-ca")
    gateway = authority.issue("gateway")
    assert authority.file.name == "internal-ca.pem"
    gateway.cert.rename(tmp_path / "gateway.pem")
    gateway.key.rename(tmp_path / "gateway.key")
    table = parse_routes(example, environ={"WEATHER_KEY": "k"}, data_dir=tmp_path)
    assert len(table.routes) == example.count("[[routes]]")


def test_the_routes_page_names_every_key_of_a_routes_file() -> None:
    rows = [line for line in ROUTES_PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert RouteEntry.model_fields.keys() | UpstreamEntry.model_fields.keys() <= named
