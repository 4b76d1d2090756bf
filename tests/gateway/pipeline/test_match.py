"""A request whose header section is known is matched as if all of it were read again."""

from pathlib import Path

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.routes_toml import AUTH_UPSTREAM, NOTES_UPSTREAM, route_table, routes_toml
from tests.gateway.running_gateway import RunningGateway, running

REPETITIONS = 4
"""After two requests the section is known, and after the third its match."""


def status_of(gateway: RunningGateway, *lines: str) -> int:
    """Send a GET with these lines on a new connection, and return the status of its response."""
    with gateway.connect() as client:
        client.send("\r\n".join(["GET /public/ HTTP/1.1", "Host: h", *lines, "", ""]).encode())
        return client.read_response().status


@pytest.mark.parametrize("start", ["Cookie: a=", "X-Refresh-Token: ", "If-None-Match: "])
def test_a_known_section_with_a_longer_value_is_too_large(
    make_app: MakeApp, upstream: RawUpstream, start: str
) -> None:
    """The limit is smaller than the largest section that is cached."""
    longest = 2_048 - len("host" + "h") - 4 - len(start.partition(":")[0]) - len(start.partition(": ")[2]) - 4
    with running(make_app(MAX_HEADER_BYTES="2048")) as gateway:
        assert [status_of(gateway, start + "x") for _ in range(REPETITIONS)] == [200] * REPETITIONS
        assert status_of(gateway, start + "x" * longest) == 200
        assert status_of(gateway, start + "x" * (longest + 1)) == 431
    assert len(upstream.requests) == REPETITIONS + 1


@pytest.mark.parametrize("name", ["If-None-Match", "if-none-match"])
def test_the_value_that_a_route_sets_replaces_every_value_of_the_client(
    make_app: MakeApp, upstream: RawUpstream, tmp_path: Path, name: str
) -> None:
    """Also after a client has sent the route's own value."""
    fixed = route_table("/public/", "public", request_headers={name: "none"})
    auth = route_table("/auth/", "public", upstream="auth")
    (tmp_path / "routes.toml").write_text(routes_toml(AUTH_UPSTREAM, NOTES_UPSTREAM, auth, fixed))
    with running(make_app(GATEWAY_ROUTES=str(tmp_path / "routes.toml"))) as gateway:
        for etag in ("none", "none", "none", '"1"', '"2"'):
            assert status_of(gateway, f"If-None-Match: {etag}") == 200
    assert [request.get("if-none-match") for request in upstream.requests] == ["none"] * 5
