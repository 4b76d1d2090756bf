"""The response head cache returns the parsed head for the same bytes, and nothing for other bytes."""

import pytest

from gateway.upstream_connections.response_head_cache import MAX_ENTRIES, MAX_HEAD_BYTES, ResponseHeadCache

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
HEADERS = [(b"content-length", b"4")]


def learned(head: bytes = HEAD, status: int = 200, headers: list[tuple[bytes, bytes]] = HEADERS) -> ResponseHeadCache:
    cache = ResponseHeadCache()
    cache.learn(head + b"body", status, headers)
    return cache


def test_a_known_head_is_returned_with_its_body() -> None:
    found = learned().find(HEAD + b"text")
    assert found is not None
    head, body = found
    assert (head.status, head.headers, head.length, body) == (200, tuple(HEADERS), 4, b"text")
    assert head.lines == b"content-length: 4\r\n"


@pytest.mark.parametrize(
    "data", [HEAD + b"bod", HEAD + b"body+", HEAD[:-2], HEAD.replace(b"200", b"201") + b"body", b"", b"\r\n\r\n"]
)
def test_bytes_that_differ_in_the_head_or_the_length_are_not_found(data: bytes) -> None:
    """Nor are they found after a correct response, whose head the cache tries first."""
    cache = learned()
    assert cache.find(data) is None
    assert cache.find(HEAD + b"body") is not None
    assert cache.find(data) is None


@pytest.mark.parametrize(
    ("head", "status", "headers"),
    [
        (HEAD, 200, []),
        (HEAD, 200, [(b"content-length", b"5")]),
        (HEAD, 204, HEADERS),
        (HEAD, 304, HEADERS),
        (HEAD, 200, [*HEADERS, (b"x", b"a\nb")]),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", 200, HEADERS),
    ],
    ids=["no Content-Length", "another Content-Length", "204", "304", "line end in a field", "too long"],
)
def test_a_head_that_does_not_determine_its_response_is_not_cached(
    head: bytes, status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    assert len(learned(head, status, headers)) == 0


def test_the_cache_keeps_the_newest_heads_up_to_its_maximum() -> None:
    cache = ResponseHeadCache()
    for number in range(3 * MAX_ENTRIES):
        cache.learn(HEAD.replace(b"OK", b"%d" % number) + b"body", 200, HEADERS)
    assert 0 < len(cache) <= MAX_ENTRIES
    assert cache.find(HEAD.replace(b"OK", b"%d" % (3 * MAX_ENTRIES - 1)) + b"body") is not None
    assert cache.find(HEAD.replace(b"OK", b"0") + b"body") is None
