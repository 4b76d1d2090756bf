"""Every response has a request id and the default headers, whichever part of the gateway sends it."""

import pytest

from gateway.http.response_completion import complete_response
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import running

ORIGIN = "Origin: https://app.example"
PREFLIGHT = (ORIGIN, "Access-Control-Request-Method: GET")
REQUESTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "forwarded": (200, ("GET /public/ HTTP/1.1",)),
    "forwarded with overrides": (200, ("GET /fixed/ HTTP/1.1",)),
    "forwarded in a task": (200, ("POST /public/ HTTP/1.1", "Transfer-Encoding: chunked")),
    "no route": (404, ("GET /none HTTP/1.1",)),
    "no token": (401, ("GET /api/ HTTP/1.1",)),
    "no upstream": (502, ("GET /connection-refused/ HTTP/1.1",)),
    "preflight": (204, ("OPTIONS /api/ HTTP/1.1", *PREFLIGHT)),
    "options for the server": (204, ("OPTIONS * HTTP/1.1",)),
    "endpoint": (200, ("GET /healthz HTTP/1.1",)),
    "endpoint that refuses": (401, ("GET /session/ HTTP/1.1",)),
    "approved subrequest": (200, ("GET /forward-auth/public/ HTTP/1.1",)),
    "refused subrequest": (401, ("GET /forward-auth/api/ HTTP/1.1",)),
    "malformed": (400, ("GET /public/ HTTP/1.1", "no field")),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_response_has_its_own_request_id_and_the_default_headers(
    make_app: MakeApp, upstream: RawUpstream, kind: str
) -> None:
    """Each request is sent three times, so that the head caches are used as well."""
    status, (line, *fields) = REQUESTS[kind]
    body = b"0\r\n\r\n" if "Transfer-Encoding: chunked" in fields else b""
    with running(make_app(GATEWAY_FORWARD_AUTH="public", ALLOWED_ORIGINS="https://app.example")) as gateway:
        ids = set()
        for _ in range(3):
            with gateway.connect() as client:
                response = client.request(line, "Host: h", *fields, body=body)
            assert response.status == status
            ids.add(response.get("x-request-id"))
            assert response.get("x-content-type-options") == "nosniff"
            assert response.get("via") == "1.1 sallyport"
            assert response.get("date") is not None
        assert len(ids - {None}) == 3


def test_a_status_without_a_phrase_has_a_valid_status_line() -> None:
    """RFC 9112 4: the space before the empty phrase stays."""
    assert complete_response(299, b"", b"", "id").startswith(b"HTTP/1.1 299 \r\n")


def test_the_parts_of_a_response_are_in_order() -> None:
    response = complete_response(
        200,
        b"date: d\r\n",
        b"etag: e\r\n",
        "id-1",
        cors_lines=b"vary: v\r\n",
        connection_lines=b"connection: close\r\n",
    )
    assert response == (
        b"HTTP/1.1 200 OK\r\ndate: d\r\netag: e\r\nx-request-id: id-1\r\nvary: v\r\nconnection: close\r\n\r\n"
    )
