"""The header fields of every response: nosniff, Via, and HSTS for clients that use TLS."""

import gzip
from collections.abc import Iterator

import pytest

from gateway.http.default_response_headers import default_response_lines
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

TLS = "X-Forwarded-Proto: https"
RESPONSES = {
    "a service": ("GET /public/ HTTP/1.1", 200),
    "a cached head": ("GET /public/ HTTP/1.1", 200),
    "an unknown route": ("GET /none HTTP/1.1", 404),
    "no credentials": ("GET /api/ HTTP/1.1", 401),
    "health": ("GET /healthz HTTP/1.1", 200),
    "no session": ("GET /session/ HTTP/1.1", 401),
    "OPTIONS": ("OPTIONS * HTTP/1.1", 204),
    "a closed upstream": ("GET /connection-refused/ HTTP/1.1", 502),
    "malformed HTTP": ("GET /public/ HTTP/1.1\r\nX : y", 400),
}


@pytest.fixture(scope="module")
def behind_tls(make_app: MakeApp) -> Iterator[RunningGateway]:
    """A gateway behind a proxy that terminates TLS."""
    with running(make_app(TRUSTED_PROXIES="127.0.0.1")) as gateway:
        yield gateway


def send(gateway: RunningGateway, line: str, *more: str) -> list[RawResponse]:
    """Return the responses to three equal requests on one connection, so that the head cache is used as well."""
    with gateway.connect() as client:
        responses = [client.request(line, "Host: h", *more)]
        while len(responses) < 3 and responses[-1].get("connection") != "close":
            responses.append(client.request(line, "Host: h", *more))
    return responses


@pytest.mark.parametrize(("line", "status"), RESPONSES.values(), ids=RESPONSES)
def test_every_response_has_nosniff_via_and_date(
    gateway: RunningGateway, upstream: RawUpstream, line: str, status: int
) -> None:
    for response in send(gateway, line, TLS):  # ignored: no proxy is trusted
        assert response.status == status
        assert response.get("x-content-type-options") == "nosniff"
        assert response.get("via") == "1.1 sallyport"
        assert response.get("strict-transport-security") is None
        assert response.get("date")


@pytest.mark.parametrize(("line", "status"), [*RESPONSES.values()][:-1], ids=[*RESPONSES][:-1])
def test_a_response_over_tls_has_hsts(
    behind_tls: RunningGateway, upstream: RawUpstream, line: str, status: int
) -> None:
    for response in send(behind_tls, line, TLS):
        assert response.status == status
        assert response.get("strict-transport-security") == "max-age=31536000"


def test_hsts_depends_on_the_scheme_of_each_request_of_a_proxys_connection(
    behind_tls: RunningGateway, upstream: RawUpstream
) -> None:
    """RFC 6797 7.2: HSTS is never sent over plain HTTP."""
    with behind_tls.connect() as proxy:
        for _ in range(3):
            for scheme, expected in (("http", None), ("https", "max-age=31536000")):
                response = proxy.request("GET /public/ HTTP/1.1", "Host: h", f"X-Forwarded-Proto: {scheme}")
                assert response.get("strict-transport-security") == expected


def test_hsts_follows_its_settings() -> None:
    assert b"strict" not in default_response_lines("g", hsts_max_age=0, hsts_subdomains=True)["https"]
    lines = default_response_lines("g", hsts_max_age=60, hsts_subdomains=True)
    assert b"\r\nstrict-transport-security: max-age=60; includeSubDomains\r\n" in lines["https"]
    assert b"strict" not in lines["http"]


def test_default_response_headers_of_a_service_are_dropped(gateway: RunningGateway, upstream: RawUpstream) -> None:
    fields = ("X-Content-Type-Options: nosniff", "Strict-Transport-Security: max-age=1", "Via: 1.1 inner")
    upstream.begin(answering(ok(b"ok", *fields, "X-Frame-Options: SAMEORIGIN", "Cache-Control: max-age=60")))
    for response in send(gateway, "GET /public/ HTTP/1.1"):
        assert response.get("x-content-type-options") == "nosniff"
        assert response.get("strict-transport-security") is None
        assert response.get("via") == "1.1 sallyport"
        assert response.get("x-frame-options") == "SAMEORIGIN"
        assert response.get("cache-control") == "max-age=60"


@pytest.mark.parametrize(
    "line", [line for name, (line, _) in RESPONSES.items() if name not in ("a service", "a cached head", "OPTIONS")]
)
def test_the_gateways_own_responses_are_not_stored_by_caches(gateway: RunningGateway, line: str) -> None:
    for response in send(gateway, line):
        assert response.get("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/session/"])
def test_the_gateways_endpoints_cannot_be_framed(gateway: RunningGateway, path: str) -> None:
    (response, *_) = send(gateway, f"GET {path} HTTP/1.1")
    assert response.get("content-security-policy") == "default-src 'none'; frame-ancestors 'none'"
    assert response.get("referrer-policy") == "no-referrer"
    assert response.get("x-frame-options") == "DENY"


def test_a_compressed_response_passes_unchanged(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Accept-Encoding reaches the service; Content-Encoding, Vary, ETag and the body reach the client."""
    packed = gzip.compress(b"a" * 5_000)
    upstream.begin(answering(ok(packed, "Content-Encoding: gzip", "Vary: Accept-Encoding", 'ETag: W/"1"')))
    for response in send(gateway, "GET /public/ HTTP/1.1", "Accept-Encoding: gzip, br;q=0.5"):
        assert response.body == packed
        assert (response.get("content-encoding"), response.get_all("vary")[-1]) == ("gzip", "Accept-Encoding")
        assert response.get("etag") == 'W/"1"'
    assert {request.get("accept-encoding") for request in upstream.requests} == {"gzip, br;q=0.5"}
