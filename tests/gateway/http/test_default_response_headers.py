"""What every answer says, whoever gave it: nosniff, Via, and HSTS where the client came by TLS."""

import gzip
from collections.abc import Iterator

import pytest

from gateway.http.default_response_headers import default_response_lines
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

TLS = "X-Forwarded-Proto: https"
ANSWERS = {
    "a service's": ("GET /public/ HTTP/1.1", 200),
    "a known one": ("GET /public/ HTTP/1.1", 200),
    "an unknown route": ("GET /none HTTP/1.1", 404),
    "no credentials": ("GET /api/ HTTP/1.1", 401),
    "health": ("GET /healthz HTTP/1.1", 200),
    "no session": ("GET /session/ HTTP/1.1", 401),
    "OPTIONS": ("OPTIONS * HTTP/1.1", 204),
    "an upstream that is gone": ("GET /gone/ HTTP/1.1", 502),
    "no HTTP": ("GET /public/ HTTP/1.1\r\nX : y", 400),
}


@pytest.fixture(scope="module")
def behind_tls(make_app: MakeApp) -> Iterator[RunningGateway]:
    """A gateway with TLS in front of it."""
    with running(make_app(TRUSTED_PROXIES="127.0.0.1")) as gateway:
        yield gateway


def ask(gateway: RunningGateway, line: str, *more: str) -> list[Answer]:
    """Thrice on one connection, since what came before goes a shorter way."""
    with gateway.connect() as client:
        answers = [client.ask(line, "Host: h", *more)]
        while len(answers) < 3 and answers[-1].get("connection") != "close":
            answers.append(client.ask(line, "Host: h", *more))
    return answers


@pytest.mark.parametrize(("line", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_forbids_sniffing_and_says_who_passed_it_on(
    gateway: RunningGateway, upstream: RawUpstream, line: str, status: int
) -> None:
    for answer in ask(gateway, line, TLS):  # that nobody is trusted to say
        assert answer.status == status
        assert answer.get("x-content-type-options") == "nosniff"
        assert answer.get("via") == "1.1 sallyport"
        assert answer.get("strict-transport-security") is None
        assert answer.get("date")


@pytest.mark.parametrize(("line", "status"), [*ANSWERS.values()][:-1], ids=[*ANSWERS][:-1])
def test_a_client_that_came_by_tls_is_told_to_come_by_nothing_else(
    behind_tls: RunningGateway, upstream: RawUpstream, line: str, status: int
) -> None:
    for answer in ask(behind_tls, line, TLS):
        assert answer.status == status
        assert answer.get("strict-transport-security") == "max-age=31536000"


def test_clients_that_share_a_proxys_connection_are_told_apart(
    behind_tls: RunningGateway, upstream: RawUpstream
) -> None:
    """RFC 6797 7.2: never over plain http."""
    with behind_tls.connect() as proxy:
        for _ in range(3):
            for scheme, told in (("http", None), ("https", "max-age=31536000")):
                answer = proxy.ask("GET /public/ HTTP/1.1", "Host: h", f"X-Forwarded-Proto: {scheme}")
                assert answer.get("strict-transport-security") == told


def test_hsts_is_as_it_was_set() -> None:
    assert b"strict" not in default_response_lines("g", hsts_max_age=0, hsts_subdomains=True)["https"]
    told = default_response_lines("g", hsts_max_age=60, hsts_subdomains=True)
    assert b"\r\nstrict-transport-security: max-age=60; includeSubDomains\r\n" in told["https"]
    assert b"strict" not in told["http"]


def test_what_a_service_says_itself_comes_once(gateway: RunningGateway, upstream: RawUpstream) -> None:
    fields = ("X-Content-Type-Options: nosniff", "Strict-Transport-Security: max-age=1", "Via: 1.1 inner")
    upstream.begin(answering(ok(b"ok", *fields, "X-Frame-Options: SAMEORIGIN", "Cache-Control: max-age=60")))
    for answer in ask(gateway, "GET /public/ HTTP/1.1"):
        assert answer.get("x-content-type-options") == "nosniff"
        assert answer.get("strict-transport-security") is None
        assert answer.get("via") == "1.1 sallyport"
        assert answer.get("x-frame-options") == "SAMEORIGIN"
        assert answer.get("cache-control") == "max-age=60"


@pytest.mark.parametrize(
    "line", [line for name, (line, _) in ANSWERS.items() if name not in ("a service's", "a known one", "OPTIONS")]
)
def test_what_the_gateway_answers_itself_is_not_stored(gateway: RunningGateway, line: str) -> None:
    for answer in ask(gateway, line):
        assert answer.get("cache-control") == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/session/"])
def test_our_own_endpoints_are_shown_in_no_frame(gateway: RunningGateway, path: str) -> None:
    (answer, *_) = ask(gateway, f"GET {path} HTTP/1.1")
    assert answer.get("content-security-policy") == "default-src 'none'; frame-ancestors 'none'"
    assert answer.get("referrer-policy") == "no-referrer"
    assert answer.get("x-frame-options") == "DENY"


def test_compression_is_between_client_and_service(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """Asked for, said and varied on by them alone; not a byte is touched."""
    packed = gzip.compress(b"a" * 5_000)
    upstream.begin(answering(ok(packed, "Content-Encoding: gzip", "Vary: Accept-Encoding", 'ETag: W/"1"')))
    for answer in ask(gateway, "GET /public/ HTTP/1.1", "Accept-Encoding: gzip, br;q=0.5"):
        assert answer.body == packed
        assert (answer.get("content-encoding"), answer.get_all("vary")[-1]) == ("gzip", "Accept-Encoding")
        assert answer.get("etag") == 'W/"1"'
    assert {request.get("accept-encoding") for request in upstream.requests} == {"gzip, br;q=0.5"}
