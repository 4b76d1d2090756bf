"""Build the text of a routes file: `routes_toml(upstream_table(...), route_table(...))`."""

import json
from collections.abc import Mapping


def routes_toml(*tables: str) -> str:
    """Return the text of a routes file with these tables."""
    return "\n".join(tables)


def upstream_table(name: str, url: str = "${RESOURCE_URL}", **options: object) -> str:
    """Return an [upstreams.NAME] table with one URL."""
    return _table(f"[upstreams.{name}]", {"urls": [url], **options})


def route_table(
    prefix: str, access: str | list[str] = "authenticated", *, upstream: str = "notes", **options: object
) -> str:
    """Return a [[routes]] table. `access` is a level, or a list of roles."""
    return _table("[[routes]]", {"prefix": prefix, "upstream": upstream, "access": access, **options})


def limits(**rates: str) -> list[dict[str, str]]:
    """Return rate limits in this order: `limits(address="5/hour", identity="3/hour")`."""
    return [{"per": key, "rate": rate} for key, rate in rates.items()]


def _table(header: str, entries: Mapping[str, object]) -> str:
    lines = [header, *(f"{key} = {_toml(value)}" for key, value in entries.items())]
    return "".join(f"{line}\n" for line in lines)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(member)}' for key, member in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)  # TOML writes strings, numbers and booleans as JSON does


AUTH_UPSTREAM = upstream_table("auth", "${AUTH_URL}")
NOTES_UPSTREAM = upstream_table("notes", identity_secret_env="NOTES_SECRET", break_after=0)
"""The service of most tests, without a circuit breaker, since tests make the service fail over and over."""
