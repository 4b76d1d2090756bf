"""What crosses the gateway, in both directions, as the bytes on the wire say."""

import time

import pytest

from contract.identity import IDENTITY_HEADER, READABLE_HEADERS, verify
from contract.keys import assertion_verifier
from tests.gateway.access_tokens import IDENTITY_SECRET
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway

GATEWAYS_OWN = [
    "host",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "via",
]
VOUCHED = [name.lower() for name in (IDENTITY_HEADER, *READABLE_HEADERS)]


def sent(upstream: RawUpstream) -> list[tuple[str, str]]:
    """The fields of the newest request that the gateway did not set by itself."""
    return [(name, value) for name, value in upstream.last.fields if name not in (*GATEWAYS_OWN, *VOUCHED)]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "target",
    [
        "/public",
        "/public/",
        "/public/notes/7",
        "/public/a%20b/%C3%A9",
        "/public/a?",
        "/public/?a=%2F..%2F&b=//c;d\\e|{}\"<>'",
        "/public/~user/(x)/[y],z:1@h/$&+=!*",
    ],
)
def test_method_target_and_body_are_forwarded_byte_for_byte(
    gateway: RunningGateway, upstream: RawUpstream, method: str, target: str
) -> None:
    """R29. Only a `?` with nothing behind it goes: it says nothing."""
    body = bytes(range(256))
    with gateway.connect() as client:
        answer = client.ask(f"{method} {target} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", body=body)
    assert (answer.status, answer.body) == (200, b"ok")
    assert upstream.last.request_line == f"{method} {target.removesuffix('?')} HTTP/1.1"
    assert upstream.last.body == body


def test_a_header_poor_client_causes_one_request_with_exactly_our_fields(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    """The head of a request that brings nothing to forward still ends where it should."""
    with gateway.connect() as client:
        assert client.ask("GET /public/ HTTP/1.0").status == 200
    assert (
        upstream.last.head
        == (
            f"GET /public/ HTTP/1.1\r\nHost: 127.0.0.1:{upstream.port}\r\n"
            f"X-Request-Id: {upstream.last.get('x-request-id')}\r\nX-Forwarded-For: 127.0.0.1\r\n"
            "X-Forwarded-Proto: http\r\nForwarded: for=127.0.0.1;proto=http\r\nVia: 1.0 sallyport\r\n\r\n"
        ).encode()
    )
    with gateway.connect() as client:
        assert client.ask("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {token}").status == 200
    assert len(upstream.requests) == 2
    assert [name for name, _ in upstream.last.fields] == [*GATEWAYS_OWN, *VOUCHED]


def test_plain_fields_cross_with_their_values_untouched(gateway: RunningGateway, upstream: RawUpstream) -> None:
    crossing = [
        ("accept", "text/html, */*;q=0.1"),
        ("accept-encoding", "gzip, br"),
        ("content-type", "text/plain"),
        ("if-none-match", 'W/"x"'),
        ("range", "bytes=0-1"),
        ("x-empty", ""),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("x-latin", "\xe9\xff"),
    ]
    with gateway.connect() as client:
        client.ask("GET /public/ HTTP/1.1", "Host: h", *(f"{name}: {value}" for name, value in crossing))
    assert sent(upstream) == crossing


def test_white_space_around_a_value_is_no_part_of_it(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9112 5.1: for fields of requests and of answers; white space within a value is."""
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2 \t\r\nX-A:\t a \t b \r\nX-B: \t \r\n\r\nok"))
    for _ in range(3):  # the third time request and answer are known
        with gateway.connect() as client:
            answer = client.ask("GET /public/ HTTP/1.1", "Host: h\t ", "X-A: \t a \t b\t", "X-B:\t ")
        assert sent(upstream) == [("x-a", "a \t b"), ("x-b", "")]
        assert b"x-a: a \t b\r\nx-b: \r\n" in upstream.last.head
        assert b"X-Forwarded-Host: h\r\n" in upstream.last.head
        assert (answer.status, answer.body) == (200, b"ok")
        assert (answer.get("content-length"), answer.get("x-a"), answer.get("x-b")) == ("2", "a \t b", "")


def test_white_space_around_connections_options_is_no_part_of_them(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    upstream.begin(answering(ok(b"ok", "Connection: keep-alive ,\tX-Gone\t ", "X-Gone: 1", "X-Kept: 1")))
    with gateway.connect() as client:
        lines = ("Connection: keep-alive ,\tX-Gone\t ", "X-Gone: 1", "X-Kept: 1")
        answer = client.ask("GET /public/ HTTP/1.1", "Host: h", *lines)
    assert sent(upstream) == [("x-kept", "1")]
    assert (answer.get("x-gone"), answer.get("x-kept")) == (None, "1")


def test_hop_by_hop_fields_and_what_connection_names_stay(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """R26."""
    staying = [
        "Connection: keep-alive, X-Named",
        "X-Named: 1",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Trailer: X-Late",
        "Proxy-Authorization: Basic eA==",
        "Proxy-Connection: keep-alive",
        "Proxy-Features: 1",
        "Proxy: http://evil.example",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
    ]
    with gateway.connect() as client:
        client.ask("GET /public/ HTTP/1.1", "Host: h", *staying, "X-Kept: 1")
    assert sent(upstream) == [("x-kept", "1")]


SPOOFED = [
    "X-Identity: forged",
    "x-identity: forged",
    "X-User-Id: root",
    "X-USER-ID: root",
    "X-User-Roles: staff",
    "X-User-Anything: 1",
    "X-Session-Id: 1",
    "X-Peer: forged",
    "X-Fetched-Token: forged",
    "X-Request-Id: chosen-by-the-client",
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: for=1.2.3.4",
    "Via: 1.1 evil",
    "X-Real-Ip: 1.2.3.4",
    "X-Original-Url: /admin",
    "X-Rewrite-Url: /admin",
    "X-Http-Method-Override: DELETE",
]


@pytest.mark.parametrize("connection", ["close", "close, X-Identity, X-User-Id, X-Request-Id, Via, X-Forwarded-For"])
def test_a_spoofed_identity_or_origin_changes_nothing(
    gateway: RunningGateway, upstream: RawUpstream, token: str, connection: str
) -> None:
    """R25, R27; and naming ours in Connection takes nothing away (CVE-2021-32813)."""
    with gateway.connect() as client:
        answer = client.ask(
            "GET /api/ HTTP/1.1", "Host: h", *SPOOFED, f"Authorization: Bearer {token}", f"Connection: {connection}"
        )
    assert answer.status == 200
    assert sent(upstream) == []
    request = upstream.last
    assertion = request.get(IDENTITY_HEADER) or ""
    identity = verify(assertion, verifier=assertion_verifier(IDENTITY_SECRET), audience="notes", now=time.time())
    assert (identity.subject, identity.session, identity.roles) == ("ada-id", "ada-session", ("user", "staff"))
    assert request.get("x-user-id") == "ada-id"
    assert request.get("x-forwarded-for") == "127.0.0.1"
    assert request.get("x-forwarded-proto") == "http"
    assert request.get("x-forwarded-host") == "h"
    assert request.get("via") == "1.1 evil, 1.1 sallyport"
    assert request.get("x-request-id") == answer.get("x-request-id") != "chosen-by-the-client"


def test_a_public_route_says_nothing_about_who_is_calling(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    with gateway.connect() as client:
        client.ask("GET /public/ HTTP/1.1", "Host: h", *SPOOFED, f"Authorization: Bearer {token}")
    assert not {name for name, _ in upstream.last.fields} & set(VOUCHED)


def test_a_trailer_is_no_header(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """R27; RFC 9110 6.5.1: neither of its own request nor of the next one."""
    trailing = b"2\r\nab\r\n0\r\nX-Late: 1\r\nX-User-Id: root\r\nAuthorization: Bearer x\r\n\r\n"
    with gateway.connect() as client:
        client.ask("POST /public/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", body=trailing)
        assert sent(upstream) == [("transfer-encoding", "chunked")]
        assert upstream.last.body == b"2\r\nab\r\n0\r\n\r\n"
        client.ask("GET /public/ HTTP/1.1", "Host: h")
        assert sent(upstream) == []


def test_credentials_reach_the_auth_service_alone(
    gateway: RunningGateway, upstream: RawUpstream, auth_upstream: RawUpstream, token: str
) -> None:
    """R32."""
    given = ("Host: h", f"Authorization: Bearer {token}", "Cookie: a=1", "Cookie: b=2")
    with gateway.connect() as client:
        client.ask("GET /api/ HTTP/1.1", *given)
        client.ask("GET /foreign/ HTTP/1.1", *given)
        client.ask("GET /auth/users/me/ HTTP/1.1", *given)
    for request in upstream.requests:
        assert {"authorization", "cookie"}.isdisjoint(name for name, _ in request.fields)
    last = next(r for r in auth_upstream.requests if r.request_line.startswith("GET /auth/"))
    assert last.get("authorization") == f"Bearer {token}"
    assert last.get("cookie") == "a=1; b=2"
    assert {name for name, _ in last.fields}.isdisjoint(VOUCHED)


def test_a_stale_token_is_the_auth_services_business(gateway: RunningGateway, auth_upstream: RawUpstream) -> None:
    """The gateway does not look at tokens on a public route."""
    with gateway.connect() as client:
        assert client.ask("POST /auth/jwt/create/ HTTP/1.1", "Host: h", "Authorization: Bearer stale").status == 200


def test_a_foreign_service_is_given_no_assertion(gateway: RunningGateway, upstream: RawUpstream, token: str) -> None:
    with gateway.connect() as client:
        assert client.ask("GET /foreign/ HTTP/1.1", "Host: h", f"Authorization: Bearer {token}").status == 200
        assert client.ask("GET /foreign/ HTTP/1.1", "Host: h").status == 401
    assert {name for name, _ in upstream.last.fields}.isdisjoint(VOUCHED)


def test_a_good_traceparent_is_passed_on_and_a_bad_one_is_not(gateway: RunningGateway, upstream: RawUpstream) -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with gateway.connect() as client:
        client.ask("GET /public/ HTTP/1.1", "Host: h", f"traceparent: {good}")
        assert sent(upstream) == [("traceparent", good)]
        client.ask("GET /public/ HTTP/1.1", "Host: h", f"traceparent: {good}-x")
        assert sent(upstream) == []


@pytest.mark.parametrize("authority", ["evil.example", "EVIL.example:81", "[2001:db8::1]", "[::1]:8080", "a_b", "h:"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_authority_of_an_absolute_target_is_the_host(
    gateway: RunningGateway, upstream: RawUpstream, authority: str, version: str
) -> None:
    """RFC 9112 3.2.2: it replaces what Host says. R28: it chooses no service."""
    for scheme in ("http", "https", "HTTP"):  # the third time the same bytes may be known
        with gateway.connect() as client:
            for _ in range(3):
                lines = (f"GET {scheme}://{authority}/public/a?q HTTP/{version}", "Host: other.example")
                assert client.ask(*lines, "Connection: keep-alive").status == 200
                assert upstream.last.request_line == "GET /public/a?q HTTP/1.1"
                assert upstream.last.get("x-forwarded-host") == authority
                assert f'host="{authority}"' in str(upstream.last.get("forwarded"))
                assert b"other.example" not in upstream.last.head
    with gateway.connect() as client:
        assert client.ask(f"GET http://{authority}/public/a HTTP/1.0").status == 200
    assert upstream.last.get("x-forwarded-host") == authority


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http:///public/a",
            "http://u:p@h/public/a",
            "http://@h/public/a",
            "http://a b/public/a",
            "http://[::1/public/a",
        ),
        *(
            "ftp://h/public/a",
            "http:/public/a",
            "http:public/a",
            "://h/public/a",
            "http://h\\/public/a",
            "http://h#/public/",
        ),
        *("http://h:x/public/a", "http://[h]/public/a", "http://h,i/public/a", "http://h%2e/public/a"),
    ],
)
def test_an_absolute_target_that_names_no_host_is_refused(
    gateway: RunningGateway, upstream: RawUpstream, target: str
) -> None:
    with gateway.connect() as client:
        assert client.ask(f"GET {target} HTTP/1.1", "Host: h").status == 400
        assert client.is_closed()
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("line", "status"),
    [("GET http://h HTTP/1.1", 404), ("GET http://h?/public/a HTTP/1.1", 404), ("OPTIONS http://h HTTP/1.1", 204)],
)
def test_an_absolute_target_without_a_path_means_the_root_or_the_server(
    gateway: RunningGateway, upstream: RawUpstream, line: str, status: int
) -> None:
    """RFC 9112 3.2.1, 3.2.4. These routes have none for the root."""
    with gateway.connect() as client:
        assert client.ask(line, "Host: h").status == status
    assert upstream.requests == []


@pytest.mark.parametrize("line", ["Host: h", "Host:"])
def test_an_absolute_target_makes_no_second_host_good(
    gateway: RunningGateway, upstream: RawUpstream, line: str
) -> None:
    """R30; and HTTP/1.1 asks for a Host all the same (RFC 9112 3.2)."""
    for lines in ((line, "Host: h"), ()):
        with gateway.connect() as client:
            assert client.ask("GET http://h/public/a HTTP/1.1", *lines).problem["code"] == "bad_header"
    assert upstream.requests == []


@pytest.mark.parametrize(
    "host", ["[::1]", "[2001:db8::1]:80", "h:8080", "192.0.2.1", "a_b.example", "xn--bcher-kva.example"]
)
def test_a_good_host_is_passed_on(gateway: RunningGateway, upstream: RawUpstream, host: str) -> None:
    with gateway.connect() as client:
        assert client.ask("GET /public/ HTTP/1.1", f"Host: {host}").status == 200
    assert upstream.last.get("x-forwarded-host") == host


@pytest.mark.parametrize(
    "host",
    [
        *(
            "a b",
            "a/b",
            "u@h",
            "u:p@h",
            "a,b",
            "a;b",
            "a%2eb",
            "h:x",
            "h:80:80",
            "::1",
            "[::1",
            "::1]",
            "[h]",
            "[]",
            "a]b",
        ),
        *("[::1]x", "http://h", "h?", "h#", "h\\", "\xe9", "h" * 256, ":80", '"h"', "<h>"),
    ],
)
@pytest.mark.parametrize("path", ["/public/", "/healthz"])
def test_a_host_that_is_none_is_refused(gateway: RunningGateway, upstream: RawUpstream, host: str, path: str) -> None:
    """RFC 9110 4.2.4, 7.2; RFC 9112 3.2: a service may make links of it."""
    with gateway.connect() as client:
        assert client.ask(f"GET {path} HTTP/1.1", f"Host: {host}").problem["code"] == "bad_header"
    assert upstream.requests == []


# --- the way back ----------------------------------------------------------------------------------------------


def test_status_fields_and_body_come_back_as_they_are(gateway: RunningGateway, upstream: RawUpstream) -> None:
    body = bytes(range(256))
    head = b'HTTP/1.1 418 Short And Stout\r\nX-A: 1\r\nX-A: 2\r\nETag: W/"x"\r\nContent-Length: 256\r\n\r\n'
    upstream.begin(answering(head + body))
    with gateway.connect() as client:
        answer = client.ask("GET /public/ HTTP/1.1", "Host: h")
    assert (answer.status, answer.body) == (418, body)
    assert answer.get_all("x-a") == ["1", "2"]
    assert answer.get("etag") == 'W/"x"'


def test_what_must_not_come_back_is_dropped(gateway: RunningGateway, upstream: RawUpstream, token: str) -> None:
    """R32, R37: cookies, identity and hop-by-hop fields of a service's answer."""
    dropped = [
        "Set-Cookie: session=1",
        "X-Identity: leaked",
        "X-User-Id: leaked",
        "X-Session-Id: leaked",
        "X-Peer: leaked",
        "X-Request-Id: not-ours",
        "X_Identity: leaked",
        "Server: secret/1.0",
        "Keep-Alive: timeout=5",
        "Upgrade: h2c",
        "Connection: keep-alive, X-Named",
        "X-Named: 1",
        "X-Accel-Redirect: /internal/secret",
        "X-Sendfile: /etc/passwd",
        "X-LIGHTTPD-send-file: /etc/passwd",
        "X-Reproxy-URL: http://inner/",
        "X-Kept: 1",
    ]
    upstream.begin(answering(ok(b"x", *dropped)))
    with gateway.connect() as client:
        answer = client.ask("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {token}")
    standing = ["date", "x-content-type-options", "via", "vary"]
    assert [name for name, _ in answer.fields] == [*standing, "content-length", "x-kept", "x-request-id"]
    assert answer.get("x-request-id") == upstream.last.get("x-request-id")


def test_the_auth_services_cookies_come_back(gateway: RunningGateway, auth_upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.ask("GET /auth/ HTTP/1.1", "Host: h").get_all("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_ends_with_its_head(
    gateway: RunningGateway, upstream: RawUpstream, method: str, raw: bytes
) -> None:
    upstream.begin(answering(raw))
    with gateway.connect() as client:
        for _ in range(2):
            answer = client.ask(f"{method} /public/ HTTP/1.1", "Host: h")
            assert answer.status == int(raw.split()[1])
            assert answer.body == b""
            assert answer.whole
            assert answer.status != 204 or answer.get("content-length") is None


def test_interim_answers_are_for_the_gateway(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9110 15.2."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    upstream.begin(answering(interim + ok(b"late")))
    with gateway.connect() as client:
        answer = client.ask("GET /public/ HTTP/1.1", "Host: h")
    assert (answer.status, answer.body, answer.get("link")) == (200, b"late", None)


@pytest.mark.parametrize("body", [b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"HTTP/1.1 200 OK\r\n\r\nuntil the end"])
def test_an_answer_that_ends_with_its_connection_comes_back_whole(
    gateway: RunningGateway, upstream: RawUpstream, body: bytes
) -> None:
    upstream.begin(answering(body, then_close=True))
    with gateway.connect() as client:
        for _ in range(2):
            answer = client.ask("GET /public/ HTTP/1.1", "Host: h")
            assert (answer.body, answer.get("transfer-encoding"), answer.whole) == (b"until the end", "chunked", True)


def test_an_http_1_0_client_is_sent_no_chunks(gateway: RunningGateway, upstream: RawUpstream) -> None:
    """RFC 9112 6.1."""
    chunks = b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    upstream.begin(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
    with gateway.connect() as client:
        client.send(b"GET /public/ HTTP/1.0\r\n\r\n")
        head, _, body = client.rest().partition(b"\r\n\r\n")
    assert body == b"abcdef"
    assert b"transfer-encoding" not in head.lower()


def test_connections_are_kept_on_both_sides(gateway: RunningGateway, upstream: RawUpstream) -> None:
    made = upstream.connections
    with gateway.connect() as client:
        for _ in range(20):
            assert client.ask("GET /public/ HTTP/1.1", "Host: h").status == 200
    assert upstream.connections == made + 1
