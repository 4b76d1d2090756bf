"""The error for a misspelled key of the routes file suggests the correct one."""

from pathlib import Path

import pytest

from gateway.routing.errors import RoutesError
from gateway.routing.loader import parse_routes

FILE = """
[upstreams.notes]
urls = ["http://127.0.0.1:1"]
identity = false
{upstream}

[[routes]]
prefix = "/notes/"
upstream = "notes"
access = "authenticated"
{route}
"""


def error_text(**lines: str) -> str:
    with pytest.raises(RoutesError) as refused:
        parse_routes(FILE.format_map({"upstream": "", "route": ""} | lines), environ={}, data_dir=Path())
    return str(refused.value)


@pytest.mark.parametrize(
    ("lines", "path", "suggested"),
    [
        ({"route": "max-body = 1"}, "routes[0].max-body", "max_body"),
        ({"route": "timeouts = { read = 1 }"}, "routes[0].timeouts", "timeout"),
        ({"route": "timeout = { conect = 1 }"}, "routes[0].timeout.conect", "connect"),
        ({"upstream": "eject_afer = 1"}, "upstreams.notes.eject_afer", "eject_after"),
    ],
)
def test_the_correct_key_is_suggested(lines: dict[str, str], path: str, suggested: str) -> None:
    assert f"{path}: is not a known key; did you mean {suggested}?" in error_text(**lines)


def test_nothing_is_suggested_if_no_key_is_similar() -> None:
    assert "did you mean" not in error_text(route="colour = 1")
    assert "routes[0].colour: is not a known key" in error_text(route="colour = 1")
