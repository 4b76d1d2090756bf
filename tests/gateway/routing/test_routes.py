"""Which route a path matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.routing.route_files import NOTES, parse, route

TABLE = parse(
    NOTES
    + "".join(route(prefix) for prefix in ("/api/", "/api/notes/deep/", "/api/notes", "/v1.0/x_y~z-", "/other/only"))
)


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        (b"/api", "/api/"),
        (b"/api/", "/api/"),
        (b"/api/x/y/z", "/api/"),
        (b"/api/notes", "/api/notes"),
        (b"/api/notes/", "/api/notes"),
        (b"/api/notes/7", "/api/notes"),
        (b"/api/notes/deep", "/api/notes/deep/"),
        (b"/api/notes/deep/er", "/api/notes/deep/"),
        (b"/api/notes/deeper", "/api/notes"),
        (b"/api/notesx", "/api/"),
        (b"/v1.0/x_y~z-/", "/v1.0/x_y~z-"),
        (b"/other/only", "/other/only"),
        (b"/other", None),
        (b"/other/onlyx", None),
        (b"/apix", None),
        (b"/API/", None),
        (b"/x/api/", None),
        (b"/%61pi/", None),
        (b"/v1x0/x_y~z-", None),
        (b"/", None),
        (b"", None),
        (b"*", None),
        (b"api/", None),
    ],
)
def test_the_longest_prefix_of_whole_segments_matches(path: bytes, prefix: str | None) -> None:
    """A path that no route names is denied."""
    found = TABLE.match(path)
    assert (found.prefix if found else None) == prefix


def test_the_root_route_matches_what_no_other_route_does() -> None:
    table = parse(NOTES + route("/") + route("/api/"))
    found = {path: table.match(path) for path in (b"/", b"/x", b"/x/y/", b"/api/x")}
    assert [route.prefix for route in found.values() if route] == ["/", "/", "/", "/api/"]


@given(st.lists(st.sampled_from(["api", "notes", "deep", "x", "api2", ""]), max_size=6))
def test_any_path_matches_the_route_with_the_longest_prefix_of_it(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    candidates = [r for r in TABLE.routes if f"{path.rstrip('/')}/".startswith(r.prefix.rstrip("/") + "/")]
    expected = max(candidates, key=lambda r: len(r.prefix.rstrip("/")), default=None)
    assert TABLE.match(path.encode()) is expected
