"""A key that a routes file misspells is refused with the one that was meant."""

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


def complaint(**lines: str) -> str:
    with pytest.raises(RoutesError) as refused:
        parse_routes(FILE.format_map({"upstream": "", "route": ""} | lines), environ={}, data_dir=Path())
    return str(refused.value)


@pytest.mark.parametrize(
    ("lines", "place", "meant"),
    [
        ({"route": "max-body = 1"}, "routes[0].max-body", "max_body"),
        ({"route": "timeouts = { read = 1 }"}, "routes[0].timeouts", "timeout"),
        ({"route": "timeout = { conect = 1 }"}, "routes[0].timeout.conect", "connect"),
        ({"upstream": "eject_afer = 1"}, "upstreams.notes.eject_afer", "eject_after"),
    ],
)
def test_the_key_that_was_meant_is_named(lines: dict[str, str], place: str, meant: str) -> None:
    assert f"{place}: is not a known key; did you mean {meant}?" in complaint(**lines)


def test_where_none_is_alike_none_is_named() -> None:
    assert "did you mean" not in complaint(route="colour = 1")
    assert "routes[0].colour: is not a known key" in complaint(route="colour = 1")
