"""A header field in identity_headers is refused if the gateway or the request needs it, or a client could send it."""

import pytest

from gateway.routing.errors import RoutesError
from tests.gateway.routing.route_files import NOTES, parse, route

RESERVED = [
    *("Host", "Cookie", "Authorization", "Connection", "X-Identity", "x-identity", "X-User-Id", "X-User-Email"),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "Via"),
    *("X-Request-Id", "X-Peer", "Transfer-Encoding", "Content-Length", "Content-Type", "Accept", "Origin"),
    *("Upgrade", "TE", "Proxy-Authorization", "Sec-WebSocket-Key", "X-HTTP-Method-Override", "X-Original-URL"),
    *("Remote_User", "Remote User", "Remöte-User", "If-None-Match", "X-Refresh-Token", "traceparent", ""),
]
ALLOWED = [
    "Remote-User",
    "X-Forwarded-User",
    "X-Forwarded-Groups",
    "X-WEBAUTH-USER",
    "X-User-Name",
    "X-Email",
    "From",
]
AUTH = '[upstreams.auth]\nurls = ["unix:/a"]\n'


def problems(text: str) -> str:
    """Return the problems of a file in which `text` follows the table of an upstream."""
    with pytest.raises(RoutesError) as refused:
        parse(NOTES + text)
    return str(refused.value)


@pytest.mark.parametrize("name", RESERVED)
def test_a_field_that_has_another_meaning_is_refused(name: str) -> None:
    reported = problems(f'identity_headers = {{ "{name}" = "sub" }}\n')
    assert f"upstreams.notes.identity_headers.{name}: must be a header name" in reported
    assert f"got {name!r}" in reported


@pytest.mark.parametrize("name", ALLOWED)
def test_the_fields_that_apps_read_are_accepted(name: str) -> None:
    table = parse(NOTES + f'identity_headers = {{ "{name}" = "sub" }}\n' + route())
    assert table.routes[0].upstream.identity_headers == ((name, "sub"),)


@pytest.mark.parametrize(
    ("value", "reported"),
    [
        ('{ Remote-User = "name" }', "identity_headers.Remote-User: must be a claim of the access token: sub, email"),
        ('{ Remote-Name = "first_name" }', "got 'first_name'"),
        ("{ Remote-User = 1 }", "identity_headers.Remote-User"),
        ('{ X-A = "sub", x-a = "sub" }', "identity_headers: contains a field twice"),
        ('["Remote-User"]', "upstreams.notes.identity_headers"),
    ],
)
def test_a_wrong_value_is_reported(value: str, reported: str) -> None:
    assert reported in problems(f"identity_headers = {value}\n")


def test_the_auth_service_gets_none() -> None:
    reported = problems(AUTH + 'identity_headers = { X-A = "sub" }\n')
    assert "upstreams.auth.identity_headers: must be omitted" in reported


@pytest.mark.parametrize("access", ['"public"', '"authenticated"'])
@pytest.mark.parametrize("name", ["Remote-User", "remote_user", "REMOTE.USER"])
def test_no_route_forwards_such_a_field_of_clients(access: str, name: str) -> None:
    entry = route(access=access, rest=f'forward_headers = ["{name}"]')
    reported = problems('identity_headers = { Remote-User = "sub" }\n' + entry)
    assert "routes[0].forward_headers[0]: is in identity_headers of upstreams.notes" in reported


def test_no_route_sets_such_a_field() -> None:
    reported = problems('identity_headers = { X-A = "sub" }\n' + route(rest='request_headers = { x-a = "1" }'))
    assert "routes[0].request_headers.x-a: is in identity_headers of upstreams.notes" in reported
