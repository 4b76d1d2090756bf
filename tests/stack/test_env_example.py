""".env.example and docker-compose.yml agree with the settings that the services read."""

import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import SecretStr, TypeAdapter

from chassis.settings import Settings
from stack.plan import ROOT

LINE = re.compile(r"#?(?P<name>[A-Z][A-Z0-9_]+)=(?P<default>.*)")
COMPOSE_ONLY = {"PUBLISH_ADDRESS", "SECRETS_DIR", "EDGE_SUBNET"} | {
    *(f"{service}_MEMORY" for service in ("AUTH", "GATEWAY", "POSTGRES", "REDIS", "RESOURCE")),
    *(f"{service}_CONTAINERS" for service in ("AUTH", "GATEWAY", "RESOURCE")),
}
"""Variables that only docker-compose.yml reads."""
ROUTES_ONLY = {"RESOURCE_URL"}
"""Variables that only a routes file reads."""
NO_DEFAULT_SHOWN = {"AUTH_BIND", "GATEWAY_BIND", "RESOURCE_BIND"}
"""Variables that `make run` sets itself, so that the example shows no value."""
SWITCH = {True: "on", False: "off"}


def examples() -> dict[str, str]:
    """Return the lines of .env.example by variable: `NAME=value`, or `#NAME=default`."""
    matches = map(LINE.fullmatch, (ROOT / ".env.example").read_text().splitlines())
    return {match["name"]: match["default"] for match in matches if match}


def models() -> set[type[Settings]]:
    """Return the settings classes of the services and of `make run`."""
    for service in ("gateway", "auth_service", "resource_service"):
        import_module(f"{service}.settings")
    return _subclasses(Settings)


def _subclasses(model: type[Settings]) -> set[type[Settings]]:
    direct = {each for each in model.__subclasses__() if not each.__module__.startswith("tests.")}
    return direct.union(*(_subclasses(each) for each in direct))


def defaults() -> dict[str, set[object]]:
    """Return the defaults by variable, one of each class that has it; None if the variable is required."""
    found: dict[str, set[object]] = {}
    for model in models():
        for name, info in model.model_fields.items():
            found.setdefault(name.upper(), set()).add(None if info.is_required() else info.default)
    return found


def parsed(name: str, text: str) -> list[object]:
    """Return the values that the models read from `text`."""
    fields = [model.model_fields[name.lower()] for model in models() if name.lower() in model.model_fields]
    types: list[Any] = [Annotated[field.annotation, *field.metadata] for field in fields]
    return [TypeAdapter(each).validate_python(text) for each in types]


def test_every_setting_is_listed_and_no_other() -> None:
    listed = set(examples()) - COMPOSE_ONLY - ROUTES_ONLY
    missing = sorted(set(defaults()) - listed)
    assert not missing, f".env.example: add `#NAME=default` with a comment above it for each of {missing}"
    assert not listed - set(defaults()), "no service reads these any more: remove them from .env.example"


@pytest.mark.parametrize("name", sorted(set(examples()) - COMPOSE_ONLY - ROUTES_ONLY - NO_DEFAULT_SHOWN))
def test_the_documented_default_is_the_default(name: str) -> None:
    text = examples()[name]
    for default in defaults()[name]:
        assert text == _shown(default) or default in parsed(name, text)


def test_every_setting_has_a_comment() -> None:
    text = (ROOT / ".env.example").read_text()
    for paragraph in re.findall(r"(?:^#?[A-Z0-9_]+=.*\n)+", text, re.MULTILINE):
        before = text[: text.index(paragraph)].splitlines()[-1]
        assert before.startswith("# "), paragraph


def _shown(default: object) -> str:
    """Return the form of a default in .env.example."""
    if default is None or default == frozenset() or isinstance(default, SecretStr):
        return ""
    if isinstance(default, bool):
        return SWITCH[default]
    if isinstance(default, Path) and default.is_absolute():
        return str(default.relative_to(ROOT))
    return f"{default:g}" if isinstance(default, float) else str(default)
