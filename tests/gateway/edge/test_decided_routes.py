"""Which routes the edge decides, and the map of methods and prefixes."""

from typing import Any

import pytest

from gateway.edge.decided_routes import METHODS_AT_EDGE, DecidedRoutes, decide_routes
from gateway.http.gateway_paths import FORWARD_AUTH
from gateway.routing.loader import parse_routes
from tests.gateway.conftest import MakeApp
from tests.gateway.edge.played_edge import ENVIRON, edge_settings
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, route_table, routes_toml, upstream_table


def decided(*tables: str, **settings: str) -> DecidedRoutes:
    given = edge_settings(**settings)
    table = parse_routes(routes_toml(*tables), environ=ENVIRON, data_dir=given.data_dir, login_url=given.login_url)
    return decide_routes(table, given)


def reason(*tables: str, **settings: str) -> str:
    """Return why the gateway decides the route of these tables; empty if the edge does."""
    found = decided(*tables, **settings)
    return found.at_gateway[0][1] if found.at_gateway else ""


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        ("", {}),
        ("", {"max_body": "1GiB", "timeout": {"read": 0}}),
        ("", {"request_headers": {"X-A": "b"}, "response_headers": {"X-A": "b"}, "expose_headers": ["X-A"]}),
        ("methods", {"methods": ["OPTIONS"]}),
        ("limits", {"limits": [{"per": "address", "rate": "5/hour"}]}),
        ("max_concurrent", {"max_concurrent": 5}),
        ("max_answer", {"max_answer": 5}),
        ("websocket", {"websocket": True}),
        ("streams", {"streams": True}),
        ("forward_cookies", {"forward_cookies": True}),
        ("keep_cookies", {"keep_cookies": True}),
        ("forward_headers", {"forward_headers": ["X-Real-IP"]}),
        ("strip_prefix", {"strip_prefix": True}),
        ("replace_prefix", {"replace_prefix": "/b/"}),
    ],
)
def test_a_route_with_an_option_that_haproxy_has_not_is_left_to_the_gateway(
    expected: str, options: dict[str, Any]
) -> None:
    assert reason(NOTES_UPSTREAM, route_table("/api/", **options)) == expected


def test_limits_do_not_matter_if_they_are_off() -> None:
    table = route_table("/api/", limits=[{"per": "address", "rate": "5/hour"}])
    assert reason(NOTES_UPSTREAM, table, RATE_LIMITS="off") == ""


def test_access_and_upstreams() -> None:
    assert reason(NOTES_UPSTREAM, route_table("/api/", "public")) == 'access = "public"'
    assert reason(NOTES_UPSTREAM, route_table("/api/", ["staff"])) == ""
    assert reason(NOTES_UPSTREAM, route_table("/api/", ["st(a|b)ff"])) == "access: a role with unusual characters"
    assert reason(NOTES_UPSTREAM, route_table("/session/x/")) == "an endpoint of the gateway"
    assert reason(AUTH_UPSTREAM, route_table("/x/", upstream="auth")) == "the auth service"
    own = {"identity_secret_env": "NOTES_SECRET"}
    assert reason(upstream_table("notes", audience='a"b', **own), route_table("/x/")).startswith("audience")
    headers = upstream_table("notes", identity_headers={"Remote-User": "email"}, **own)
    assert reason(headers, route_table("/x/")) == "identity_headers"
    assert reason(upstream_table("notes", "https://h", **own), route_table("/x/")) == "an https:// upstream"
    assert reason(NOTES_UPSTREAM, route_table("/x/"), IDENTITY_CLAIMS="plan") == "IDENTITY_CLAIMS"


def lookup(lines: list[str], method: str, path: str) -> str:
    """Look up a request as HAProxy does."""
    entries = dict(line.split(" ") for line in lines)
    found = [key for key in entries if f"{method}{path}/".startswith(key)]
    return entries[max(found, key=len)] if found else "gateway"


def test_the_map_finds_the_route_that_the_gateway_finds() -> None:
    tables = (
        route_table("/", methods=["GET", "POST"]),
        route_table("/a/", methods=["GET"]),
        route_table("/a/b", "public"),
        route_table("/a/b/c/", methods=["POST"]),
    )
    given = edge_settings()
    text = routes_toml(NOTES_UPSTREAM, *tables)
    table = parse_routes(text, environ=ENVIRON, data_dir=given.data_dir, login_url=given.login_url)
    found = decide_routes(table, given)
    names = {edge.route: edge.name for edge in found.at_edge}
    lines = found.map_lines()
    for path in ("/", "/x", "/a", "/a/", "/ab", "/a/b", "/a/b/", "/a/bc", "/a/b/x", "/a/b/c", "/a/b/c/d", "/a/b/cd"):
        for method in METHODS_AT_EDGE:
            route = table.match(path.encode(), method)
            expected = names.get(route, "gateway") if route is not None else "gateway"
            assert lookup(lines, method, path) == expected, (method, path)


@pytest.mark.parametrize("development", ["on", "off"])
def test_the_edge_decides_nothing_at_the_gateways_own_endpoints(make_app: MakeApp, development: str) -> None:
    """They come before all routes, so a route for every path must not hide them."""
    paths = make_app(DEVELOPMENT=development, API_DOCS="public").gateway_paths
    lines = decided(NOTES_UPSTREAM, route_table("/")).map_lines()
    own = {path.decode() for path in paths.internal | paths.public} | {FORWARD_AUTH.decode(), "/forward-auth/x"}
    own -= {"", "/"}  # the rules send the path "/" to the gateway by name
    wrong = [path for path in own if lookup(lines, "GET", path) != "gateway"]
    assert wrong == []
