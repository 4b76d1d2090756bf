"""Paths that a service could read differently from the gateway are refused."""

import posixpath
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.problems import Refused
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.pipeline.request_target import check_path, check_target

HOSTILE = [
    b"",
    b"api",
    b"*",
    b"http://h/api",
    b"//",
    b"//evil.example/",
    b"/api//notes",
    b"/api/notes//",
    b"/.",
    b"/..",
    b"/./api",
    b"/../api",
    b"/public/../api/",
    b"/public/./",
    b"/public/..",
    b"/%2e/",
    b"/%2e%2e/api",
    b"/%2E%2E/api",
    b"/.%2e/api",
    b"/public%2f..%2fapi",
    b"/public%2F",
    b"/public%5capi",
    b"/public%5C",
    b"/public\\..\\api",
    b"/public/..;/api",
    b"/public;/api",
    b"/public;jsessionid=1",
    b"/public/%3b",
    b"/public/%3B",
    b"/public/%00",
    b"/public/\x00",
    b"/public/%0d%0aX-Evil:%201",
    b"/public/%0A",
    b"/public/%1f",
    b"/public/%7f",
    b"/public/\x7f",
    b"/public/ a",
    b"/public/\t",
    b"/public/\r\n",
    b"/public/\xc3\xa9",
    b"/public/%",
    b"/public/%2",
    b"/public/%zz",
    b"/public/%%32f",
    b"/public/%u002f",
    b"/%61pi/",
    b"/%41pi/",
    b"/api/%37",
    b"/api/%2d",
    b"/api/%5F",
    b"/api/%7e",
    b"/api/#fragment",
    b"/public/%c0%ae%c0%ae/",
    b"/public/%C0%AF",
    b"/public/%e0%80%af",
    b"/public/%ff",
    b"/public/%c3",
    b"/public/%a9",
    b"/public/%ed%a0%80",
    b"/public/%f4%90%80%80",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_an_ambiguous_path_is_refused(path: bytes) -> None:
    with pytest.raises(Refused) as refused:
        check_path(path)
    assert (refused.value.status, refused.value.code) == (400, "bad_path")


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/api/notes/7",
        b"/api/notes/",
        b"/a.b/..c/c../...",
        b"/.well-known/jwks.json",
        b"/a%20b/%C3%A9/%e2%82%ac",
        b"/a%25b",
        b"/~user/(x)/[y]/{z}/!$&'*+,=:@",
        b'/"quoted"/<x>|^`',
        b"/%40/%23/%3F/%5B%5D",
    ],
)
def test_an_unambiguous_path_is_accepted(path: bytes) -> None:
    check_path(path)


PIECES = [
    "/",
    "//",
    ".",
    "..",
    "%2e",
    "%2F",
    "%5c",
    "\\",
    ";",
    "%00",
    "a",
    "%61",
    "%25",
    "%252e",
    "%c0%ae",
    "%C3%A9",
    "é",
]


@given(st.one_of(st.lists(st.sampled_from(PIECES)).map("".join), st.text(st.characters(max_codepoint=0x17F))))
@example("/%252e%252e/")
def test_decoding_and_normalizing_do_not_change_the_segments_of_an_accepted_path(text: str) -> None:
    """Decoding adds no separator, and normalizing the decoded path removes at most its last slash."""
    path = "/" + text
    try:
        check_path(path.encode())
    except Refused:
        return
    decoded = unquote(path, errors="strict")
    assert decoded.count("/") == path.count("/")
    assert posixpath.normpath(decoded) == (decoded.rstrip("/") or "/")
    assert decoded.isprintable()
    assert "\\" not in decoded
    assert ";" not in decoded


@given(st.binary(max_size=50))
def test_a_path_of_any_bytes_is_refused_or_is_ascii(path: bytes) -> None:
    try:
        check_path(b"/" + path)
    except Refused:
        return
    assert path.isascii()


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        (b"/" + b"a" * (DEFAULT_LIMITS.target_bytes - 1), b"", None),
        (b"/" + b"a" * DEFAULT_LIMITS.target_bytes, b"", "target_too_long"),
        (b"/", b"a" * (DEFAULT_LIMITS.target_bytes - 1), None),
        (b"/", b"a" * DEFAULT_LIMITS.target_bytes, "target_too_long"),
        (b"/", b"a=%2f..%2f&b=//c;d\\e%00", None),
        (b"/", b"a b", "bad_request"),
        (b"/", b"a\r\nX-Evil: 1", "bad_request"),
        (b"/", b"a\0", "bad_request"),
        (b"/", b"\xc3\xa9", "bad_request"),
        (b"/", b"a#b", "bad_request"),
        (b"/a/../b", b"a b", "bad_request"),
        (b"/a/../b", b"", "bad_path"),
    ],
)
def test_a_target_over_the_limit_or_with_characters_outside_visible_ascii_is_refused(
    path: bytes, query: bytes, code: str | None
) -> None:
    """Queries are not checked further; ambiguous escapes in them are accepted."""
    if code is None:
        check_target(path, query)
    else:
        with pytest.raises(Refused) as refused:
            check_target(path, query)
        assert refused.value.code == code


def test_the_length_limit_is_a_setting() -> None:
    check_target(b"/" + b"a" * 299, b"", RequestLimits(target_bytes=300))
    with pytest.raises(Refused) as refused:
        check_target(b"/" + b"a" * 150, b"a" * 150, RequestLimits(target_bytes=300))
    assert (refused.value.status, refused.value.detail) == (414, "The request target is over 300 bytes.")
