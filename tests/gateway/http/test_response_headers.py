"""The header fields of a response that reach the client, and their names."""

import pytest
from structlog.testing import capture_logs

from gateway.http.response_headers import ResponseNameCache, may_be_set_on_responses, read_response_fields
from tests.gateway.http.header_names import NOT_PLAIN


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate"),
        *("X-Identity", "X-User-Id", "X-Session-Id", "X-Peer", "X-Request-Id", "Server", "Via", "Date", "Set-Cookie"),
        *("Access-Control-Allow-Origin", "access-control-max-age", "X-Accel-Redirect", "X-Sendfile", "X-Reproxy-URL"),
        *(
            "X_Identity",
            "x.user.id",
            "X-User_Id",
            "Access_Control_Allow_Origin",
            "Transfer_Encoding",
            "X_Accel_Redirect",
        ),
        *("Content_Length", "Set_Cookie", "set.cookie", "", "a b", "x\0", "é"),
    ],
)
def test_a_field_that_is_not_for_the_client_is_dropped(name: str) -> None:
    assert read_response_fields([(name.encode(), b"close")], keep_cookies=False) == []


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_a_name_that_is_not_plain_reaches_the_client(name: str) -> None:
    """Only services conflate such names; a client reads a field by its exact name."""
    assert read_response_fields([(name.encode(), b"v")], keep_cookies=False) == [(name.lower().encode(), b"v")]
    assert not may_be_set_on_responses(name)


def test_other_fields_reach_the_client_in_lower_case_and_in_order() -> None:
    raw = [(b"ETag", b"1"), (b"X-A", b"2"), (b"Content-Length", b"3"), (b"x-a", b"4"), (b"Set-Cookie", b"5")]
    lower = [(name.lower(), value) for name, value in raw]
    assert read_response_fields(raw, keep_cookies=True) == lower
    assert read_response_fields(raw, keep_cookies=False) == lower[:-1]


def test_fields_that_connection_lists_are_dropped() -> None:
    raw = [(b"X-A", b"1"), (b"Connection", b"close, x-a"), (b"X-B", b"2")]
    assert read_response_fields(raw, keep_cookies=False) == [(b"x-b", b"2")]


def test_a_command_for_a_proxy_is_dropped() -> None:
    assert read_response_fields([(b"X-Accel-Redirect", b"/secret")], keep_cookies=False) == []


def test_a_dropped_command_for_a_proxy_is_logged_once() -> None:
    names = ResponseNameCache()
    with capture_logs() as lines:
        assert [names[b"X-Accel-Redirect"] for _ in range(3)] == [None] * 3
    assert [(line["event"], line["name"]) for line in lines] == [("response_field_dropped", "x-accel-redirect")]
