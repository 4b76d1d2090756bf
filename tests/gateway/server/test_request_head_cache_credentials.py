"""Requests that differ only in credentials share a cached header section, and each is authenticated by its own."""

import time

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.request import Request
from gateway.server.request_head_cache import RequestHeadCache
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway

REPETITIONS = 4
"""The first two requests fill the cache, the others are found in it."""


def token_of(name: str, key: SigningKey) -> str:
    now = time.time()
    return key.sign(access_claims(now, sub=f"{name}-id", sid=f"{name}-session", jti=name, exp=int(now) + 3_000))


@pytest.fixture(scope="module")
def ann(signing_key: SigningKey) -> str:
    return token_of("ann", signing_key)


@pytest.fixture(scope="module")
def bob(signing_key: SigningKey) -> str:
    return token_of("bob", signing_key)


def request(authorization: str, target: str = "/api/cached", *lines: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: h", *lines, authorization, "", ""]).encode("latin-1")


def send(client: RawClient, raw: bytes) -> int:
    client.send(raw)
    return client.read_response().status


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_each_request_is_authenticated_by_its_own_token(
    gateway: RunningGateway, upstream: RawUpstream, ann: str, bob: str, name: str
) -> None:
    """The requests alternate on one connection and on two connections."""
    raw = {user: request(f"{name}: Bearer {token}") for user, token in (("ann", ann), ("bob", bob))}
    with gateway.connect() as shared, gateway.connect() as other:
        for turn in range(2 * REPETITIONS):
            for user in ("ann", "bob"):
                assert send(other if turn % 3 else shared, raw[user]) == 200
                assert upstream.last.get("x-user-id") == f"{user}-id"
                assert upstream.last.get("authorization") is None


def test_each_request_is_forwarded_with_its_own_token(
    gateway: RunningGateway, auth_upstream: RawUpstream, ann: str, bob: str
) -> None:
    """This is a route to the auth service, which receives the client's credentials."""
    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            for token in (ann, bob):
                assert send(client, request(f"Authorization: Bearer {token}", "/auth/users/me/")) == 200
                # The auth service receives usage reports as well.
                received = [one for one in auth_upstream.requests if one.request_line.startswith("GET /auth/")][-1]
                assert received.get("authorization") == f"Bearer {token}"


UNUSUAL_VALUES = [
    *(
        "Bearer {} {}",
        "Bearer {},{}",
        "Bearer {}\x01",
        "Bearer {}\x00",
        "Bearer {}\n",
        "Bearer {}\nX-Y: z",
        "Bearer é{}",
    ),
    *(
        "Bearer ",
        "Bearer",
        "Bearer  {}",
        "bearer {}",
        "Basic {}",
        "Bearer {}\r\nAuthorization: Bearer {}",
        "Bearer \t{}",
    ),
]


@pytest.mark.parametrize("value_form", UNUSUAL_VALUES, ids=repr)
def test_an_unusual_authorization_field_gets_the_same_status_as_without_a_cache(
    gateway: RunningGateway, upstream: RawUpstream, ann: str, bob: str, value_form: str
) -> None:
    """The status is the same before and after the rest of the request was cached."""
    target = f"/api/odd-{UNUSUAL_VALUES.index(value_form)}"  # so that it is not cached yet
    odd = request(f"Authorization: {value_form}".replace("{}", bob), target)
    with gateway.connect() as client:
        at_first = send(client, odd)
    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            assert send(client, request(f"Authorization: Bearer {ann}", target)) == 200
        upstream.begin()
        assert send(client, odd) == at_first
    assert [request.get("x-user-id") for request in upstream.requests] == (["bob-id"] if at_first == 200 else [])


@pytest.mark.parametrize("first", ["X-Authorization: Bearer {}", "Proxy-Authorization: Bearer {}"])
def test_the_token_of_another_field_is_not_used(
    gateway: RunningGateway, upstream: RawUpstream, ann: str, bob: str, first: str
) -> None:
    def both(one: str, two: str) -> bytes:
        return request(f"Authorization: Bearer {two}", "/api/two", first.replace("{}", one))

    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            assert send(client, both(ann, ann)) == 200
        for one, two, user in ((bob, ann, "ann"), (ann, bob, "bob"), ("x", ann, "ann")):
            assert send(client, both(one, two)) == 200
            assert upstream.last.get("x-user-id") == f"{user}-id"


def test_the_token_of_a_request_is_used_also_beside_a_session_cookie(
    gateway: RunningGateway, upstream: RawUpstream, ann: str, bob: str
) -> None:
    with gateway.connect() as client:
        for token, user in ((ann, "ann"), (bob, "bob")) * REPETITIONS:
            raw = request(f"Authorization: Bearer {token}", "/api/cookie", "Cookie: __Host-session=x; session=x")
            assert send(client, raw) == 200
            assert upstream.last.get("x-user-id") == f"{user}-id"


# --- the cache itself --------------------------------------------------------------------------------------------


def section_of(data: bytes) -> bytes:
    """Return the header section of a request, with the line end before it."""
    return data[data.find(b"\r\n") : data.find(b"\r\n\r\n") + 4]


class Parsed:
    """The request that httptools parses; None if the bytes are not exactly one request."""

    def __init__(self, data: bytes) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._messages = 0
        self.body = b""
        self.request: Request | None = None
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return
        if self._messages == 1:
            path, _, query = self._target.partition(b"?")
            method = parser.get_method().decode("ascii")
            self.request = Request(
                *("1", method, path, query, self._headers, parser.get_http_version()), "192.0.2.1", "http", None
            )

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self._messages += 1


LINES = st.sampled_from(
    [
        *("Accept: a", "X-Authorization: Bearer a", "Authorization: Bearer a", "authorization: Bearer bb"),
        *(
            "AUTHORIZATION: Bearer a",
            "Authorization: bearer a",
            "Authorization:Bearer a",
            "Authorization: Bearer a b",
        ),
        *("Authorization: Bearer ", "X: \tAuthorization: Bearer a", "Authorization: Bearer a.b-c_d=="),
        *(
            "Cookie: a=b",
            "cookie: a=b",
            "Cookie: c=d; e=f",
            "Cookie: ",
            "Cookie:a=b",
            "X: \tCookie: a=b",
            "COOKIE: a=b",
        ),
        *(
            "X-Cookie: a=b",
            "X-Refresh-Token: a",
            "x-refresh-token: a",
            "X-Refresh-Token:a",
            "Transfer-Encoding: chunked",
        ),
        *("Content-Length: 0", "content-length: 3", "Content-Length: 3, 3", "Content-Length: +3", "Expect: x"),
    ]
)
REQUESTS = st.lists(LINES, max_size=4).map(
    lambda lines: "\r\n".join(["POST /x?y HTTP/1.1", "Host: h", *lines, "", "abc"]).encode()
)
TOKENS = st.text("ab.-_=\r\n\t :,\x00\x7fé", max_size=6).map(lambda text: text.encode("latin-1"))


REQUEST_WITH_TOKEN = b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\n\r\n"


TWO_EQUAL_TOKENS = REQUEST_WITH_TOKEN.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer a\r\n\r\n")
REQUEST_WITH_COOKIE = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\nAuthorization: Bearer a\r\n\r\n"


@given(cached=REQUESTS, other=REQUESTS, instead=st.lists(TOKENS, max_size=3))
@example(
    cached=REQUEST_WITH_COOKIE,
    other=REQUEST_WITH_COOKIE,
    instead=[b"b\nX: y", b"c\x00", b" c", b"c ", b"c\xe9", b"", b"c=d; session=x"],
)
@example(cached=REQUEST_WITH_TOKEN, other=b"", instead=[b"b\nX: y"])
@example(cached=TWO_EQUAL_TOKENS, other=REQUEST_WITH_TOKEN, instead=[b"b"])
@example(cached=REQUEST_WITH_TOKEN, other=b"", instead=[b"b\rX: y", b"b\x00"])
def test_a_hit_equals_the_parsed_request(cached: bytes, other: bytes, instead: list[bytes]) -> None:
    """This holds for each generated request, and for each replacement of its tokens and cookies."""
    cache = RequestHeadCache()
    request = Parsed(cached).request
    if request is not None:
        for _ in range(2):
            cache.add_if_repeated(section_of(cached), request)
    for base in (cached, other):
        replaced = [
            base.replace(line + value, line + other_value)
            for line, value in (
                *((b"Bearer ", b"a"), (b"ookie: ", b"a=b"), (b"-Refresh-Token: ", b"a"), (b"-Length: ", b"0")),
            )
            for other_value in instead
        ]
        for data in (base, *replaced):
            section = section_of(data)
            known = cache.find_fields(section)
            if known is None:
                continue
            length = known.content_length or 0
            parsed = Parsed(b"GET / HTTP/1.1" + section + b"x" * length)
            assert parsed.request is not None
            assert (parsed.request.headers, len(parsed.body)) == (known.headers, length)
            values = dict(known.headers)
            assert known.token == values.get(b"authorization", b"").removeprefix(b"Bearer ").decode()
            assert (known.refresh_token or "").encode() == values.get(b"x-refresh-token", b"")
            assert known.cookies == values.get(b"cookie", b"")
            assert (known.content_length is None) == (b"content-length" not in values)


@pytest.mark.parametrize("name", ["Cookie", "cookie"])
def test_a_request_with_a_session_cookie_does_not_use_the_token_of_another_request(
    gateway: RunningGateway, upstream: RawUpstream, ann: str, name: str
) -> None:
    """Requests with a valid token and requests with an unknown session cookie alternate."""
    with gateway.connect() as client:
        for _ in range(REPETITIONS):
            raw = request(f"Authorization: Bearer {ann}", "/api/mixed", f"{name}: a=b")
            assert send(client, raw) == 200
            assert send(client, request("Accept: */*", "/api/mixed", f"{name}: __Host-session=nobody")) == 401
            assert upstream.last.get("x-user-id") == "ann-id"


def _members(cache: RequestHeadCache) -> list[object]:
    """Return all that the cache holds; a compiled object has no `__dict__`."""
    members = [getattr(cache, name) for name in dir(cache) if not name.startswith("__")]
    assert any(isinstance(member, dict) for member in members)
    return members


def test_the_cache_holds_no_credentials() -> None:
    cache = RequestHeadCache()
    section = b"\r\nHost: h\r\nAuthorization: Bearer %b\r\nCookie: %b\r\nX-Refresh-Token: %b\r\n\r\n"
    secrets = (b"secret.a.b", b"session=secret", b"secret.c.d")
    request = Parsed(b"GET / HTTP/1.1" + section % secrets).request
    assert request is not None
    for _ in range(2):
        cache.add_if_repeated(section % secrets, request)
    assert len(cache) == 1
    known = cache.find_fields(section % (b"other.a.b", b"session=other", b"other.c.d"))
    assert known is not None
    assert (known.token, known.cookies, known.refresh_token) == ("other.a.b", b"session=other", "other.c.d")
    assert "secret" not in repr((known, _members(cache)))


@pytest.mark.parametrize("line", [b"Authorization: Bearer secret", b"Cookie: secret", b"X-Refresh-Token: secret"])
def test_a_section_that_repeats_a_field_is_not_cached(line: bytes) -> None:
    """Otherwise the key would hold the second value."""
    cache = RequestHeadCache()
    section = b"\r\nHost: h\r\n%b\r\n%b\r\n\r\n" % (line, line)
    request = Parsed(b"GET / HTTP/1.1" + section).request
    assert request is not None
    for _ in range(3):
        cache.add_if_repeated(section, request)
    assert len(cache) == 0


def test_the_cache_holds_no_ticket() -> None:
    cache = RequestHeadCache()
    for line, is_repeated in ((b"GET /events?ticket=secret HTTP/1.1", False), (b"GET /events?page=2 HTTP/1.1", True)):
        targets = [cache.read_line(line) for _ in range(3)]
        assert [target is not None and target.is_repeated for target in targets] == [False, is_repeated, is_repeated]
    assert "secret" not in repr(_members(cache))
