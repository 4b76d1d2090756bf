"""The attributes that the response parser sets for the bytes of a response."""

import pytest

from gateway.upstream_connections.response_parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"


def fed(*parts: bytes) -> ResponseParser:
    parser = ResponseParser()
    for part in parts:
        parser.feed(part)
    return parser


def test_a_response_is_complete_at_the_end_of_its_body() -> None:
    parser = fed(OK + b"Content-Length: 4\r\nX-Name:  value \r\n\r\nbo")
    assert (parser.status, parser.complete) == (200, False)
    assert parser.headers == [(b"content-length", b"4"), (b"x-name", b"value")]
    parser.feed(b"dy")
    assert parser.complete


def test_interim_responses_and_trailers_are_discarded() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: b\r\n\r\n"
    parser = fed(interim + chunked)
    assert (parser.status, parser.headers, parser.complete) == (200, [], True)


@pytest.mark.parametrize(
    ("head", "is_bodiless"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", True),
    ],
)
def test_204_and_304_have_no_body_whatever_their_fields_say(head: bytes, is_bodiless: bool) -> None:
    """RFC 9112 6.3."""
    parser = fed(head)
    assert (parser.complete, parser.is_bodiless) == (True, is_bodiless)


@pytest.mark.parametrize(
    ("field", "has_url_fields"),
    [(b"Location: /", True), (b"content-location: /", True), (b"Refresh: 5", True), (b"Link: </>", False)],
)
def test_has_url_fields_is_set_for_fields_that_contain_a_url(field: bytes, has_url_fields: bool) -> None:
    assert fed(OK + field + b"\r\nContent-Length: 0\r\n\r\n").has_url_fields is has_url_fields


@pytest.mark.parametrize(
    ("status", "field", "rejection"),
    [
        (b"401 Unauthorized", b"X-Identity-Refused: expired", "expired"),
        (b"401 Unauthorized", b"x-identity-refused:", "no reason given"),
        (b"401 Unauthorized", b"WWW-Authenticate: Bearer", ""),
        (b"403 Forbidden", b"X-Identity-Refused: expired", ""),
    ],
)
def test_a_rejected_identity_assertion_is_read_from_a_401(status: bytes, field: bytes, rejection: str) -> None:
    """The field reaches no client."""
    parser = fed(b"HTTP/1.1 " + status + b"\r\n" + field + b"\r\nContent-Length: 0\r\n\r\n")
    assert parser.identity_rejection == rejection
    assert b"x-identity-refused" not in dict(parser.headers)
