"""What a service and a client receive from the edge: the fields that the gateway would send."""

import time

import pytest

from contract.identity import IDENTITY_HEADER
from gateway.edge.decision_rules import FIELDS_FOR_GATEWAY
from gateway.http.request_headers import WITHHELD_NAMES, WITHHELD_PREFIXES
from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.gateway.access_tokens import IDENTITY_SECRET
from tests.gateway.edge.played_edge import SERVICE, PlayedEdge
from tests.gateway.raw_upstream import answering, ok
from tests.system.test_forgery import SPOOFS

pytestmark = pytest.mark.system

GET = ("GET /api/notes HTTP/1.1", "Host: h:8080")


def test_the_assertion_of_the_edge_is_that_of_the_gateway(edge: PlayedEdge, bearer: str) -> None:
    assert edge.decides(*GET, bearer)
    request = edge.service.last
    identity = verify(
        request.get(IDENTITY_HEADER) or "", key=verification_key(IDENTITY_SECRET), audience="notes", now=time.time()
    )
    assert (identity.subject, identity.session, identity.email) == ("ada-id", "ada-session", "ada@example.org")
    assert identity.roles == ("user", "staff")
    assert [request.get(name) for name in ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")] == [
        "ada-id",
        "ada@example.org",
        "user staff",
        "ada-session",
    ]


def test_the_fields_that_the_edge_sets(edge: PlayedEdge, bearer: str) -> None:
    spoofed = ("X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Request-Id: mine", "X-Forwarded-Proto: https")
    assert edge.decides(*GET, bearer, *spoofed)
    request = edge.service.last
    assert request.get("X-Forwarded-For") == "127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "http"
    assert request.get("X-Forwarded-Host") == "h:8080"
    assert request.get("Forwarded") == 'for=127.0.0.1;proto=http;host="h:8080"'
    assert request.get("Host") == "h:8080"
    assert request.get("Via") == "1.1 sallyport"
    assert len(request.get("X-Request-Id") or "") == 36
    assert request.get("Authorization") is None


def test_a_foreign_service_receives_no_identity(edge: PlayedEdge, bearer: str) -> None:
    assert edge.decides("GET /foreign/ HTTP/1.1", "Host: h", bearer, "X-Identity: x", "X-User-Id: 1")
    names = {name for name, _ in edge.service.last.fields}
    assert not names & {"x-identity", "x-user-id", "authorization"}
    assert edge.service.last.get("Host") == "app.example"


def test_spoofable_fields_do_not_reach_the_service(edge: PlayedEdge, bearer: str) -> None:
    names = sorted(WITHHELD_NAMES | {f"{prefix}x" for prefix in WITHHELD_PREFIXES})
    names = [name for name in names if name not in FIELDS_FOR_GATEWAY]
    assert edge.decides(*GET, bearer)
    with edge.connect() as client:
        for name in names:
            spellings = (name, name.upper(), name.replace("-", "_"), name.replace("-", "."), name.title())
            response = client.request(*GET, bearer, *(f"{spelling}: spoofed" for spelling in spellings))
            assert response.body == b"service", name
            assert "spoofed" not in [value for _, value in edge.service.last.fields], name


@pytest.mark.parametrize("name", [name for name in SPOOFS if name != "named in Connection"])
def test_spoofed_identities_change_nothing(edge: PlayedEdge, bearer: str, name: str) -> None:
    assert edge.decides(*GET, bearer, *SPOOFS[name])
    assert edge.service.last.get("X-User-Id") == "ada-id"
    assert edge.service.last.get("X-User-Roles") == "user staff"


def test_other_fields_are_forwarded_unchanged(edge: PlayedEdge, bearer: str) -> None:
    fields = [
        ("accept", "text/html, */*;q=0.1"),
        ("accept-encoding", "gzip, br"),
        ("if-none-match", 'W/"x"'),
        ("range", "bytes=0-1"),
        ("x-empty", ""),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("x-latin", "\xe9\xff"),
        ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
    ]
    assert edge.decides(*GET, bearer, *(f"{name}: {value}" for name, value in fields))
    received = edge.service.last.fields
    assert [field for field in received if field[0] in dict(fields)] == fields


def test_a_malformed_traceparent_is_dropped(edge: PlayedEdge, bearer: str) -> None:
    assert edge.decides(*GET, bearer, "traceparent: 00-xyz")
    assert edge.service.last.get("traceparent") is None


def test_fields_that_a_route_sets(edge: PlayedEdge, bearer: str) -> None:
    edge.service.begin_answering(answering(ok(b"service", "Cache-Control: public", "X-Quoted: no")))
    lines = ("GET /fixed/ HTTP/1.1", "Host: h", bearer, "X-Tenant: evil", "Origin: https://app.example")
    edge.send(*lines)
    response = edge.send(*lines)
    edge.service.begin_answering(SERVICE)
    assert edge.service.last.get("X-Tenant") == "100% acme"
    assert (response.get("cache-control"), response.get("x-quoted")) == ("no-store", 'it\'s "50%"')
    assert (response.get("access-control-expose-headers") or "").endswith(", X-Quoted")


def respond(edge: PlayedEdge, bearer: str, *fields: str, status: str = "200 OK") -> dict[str, str]:
    """Return the fields that a client receives of a service's response."""
    raw = ok(b"service", *fields).replace(b"200 OK", status.encode(), 1)
    edge.decides(*GET, bearer)
    edge.service.begin_answering(answering(raw))
    response = edge.send(*GET, bearer)
    edge.service.begin_answering(SERVICE)
    return {"status": str(response.status), "body": response.body.decode(), **dict(response.fields)}


def test_fields_of_a_response_that_clients_do_not_receive(edge: PlayedEdge, bearer: str) -> None:
    dropped = (
        "X-Identity: x",
        "X_Identity: x",
        "X-User-Id: x",
        "x.user.id: x",
        "X-Session-Id: x",
        "X-Access-Token: x",
        "Set-Cookie: a=1",
        "Set_Cookie: a=1",
        "Access-Control-Allow-Origin: *",
        "X-Accel-Redirect: /x",
        "X-Sendfile: /x",
        "Server: x",
    )
    received = respond(edge, bearer, *dropped, "X-Kept: 1", "ETag: 1", "Via: 1.1 inner")
    assert received.keys() == {
        *("status", "body", "content-length", "x-kept", "etag", "date"),
        *("x-request-id", "x-content-type-options", "via", "vary"),
    }
    assert received["via"] == "1.1 sallyport"
    assert received["x-content-type-options"] == "nosniff"
    assert received["vary"] == "Origin"


def test_a_rejected_assertion_is_a_fault_of_ours(edge: PlayedEdge, bearer: str) -> None:
    received = respond(edge, bearer, "X-Identity-Refused: expired", "WWW-Authenticate: Bearer", status="401 No")
    assert received["status"] == "502"
    assert '"code": "identity_rejected"' in received["body"]
    assert received["x-request-id"] in received["body"]
    assert "x-identity-refused" not in received


def test_an_event_stream_does_not_pass_the_edge(edge: PlayedEdge, bearer: str) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    edge.decides(*GET, bearer)
    edge.service.begin_answering(answering(raw))
    response = edge.send(*GET, bearer)
    edge.service.begin_answering(SERVICE)
    assert (response.status, response.problem["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("{0}/x?y#z", "/x?y#z"),
        ("{0}", "/"),
        ("{0}/", "/"),
        ("{0}?x", "/?x"),
        ("{0}//evil.example", "{0}//evil.example"),
        ("{0}/\\evil.example", "{0}/\\evil.example"),
        ("https://other.example/x", "https://other.example/x"),
        ("/x", "/x"),
        ("{0}.evil.example/", "{0}.evil.example/"),
        ("{0}@evil.example/", "{0}@evil.example/"),
    ],
)
def test_redirects_to_the_service_are_rewritten(edge: PlayedEdge, bearer: str, location: str, expected: str) -> None:
    received = respond(edge, bearer, f"Location: {location.format(edge.service.url)}", status="302 Found")
    assert received["location"] == expected.format(edge.service.url)


@pytest.mark.parametrize("origin", ["https://app.example", "capacitor://localhost"])
def test_pages_of_allowed_origins_may_read_responses(edge: PlayedEdge, bearer: str, origin: str) -> None:
    edge.decides(*GET, bearer, f"Origin: {origin}")
    response = edge.send(*GET, bearer, f"Origin: {origin}")
    assert response.body == b"service"
    assert response.get("access-control-allow-origin") == origin
    assert response.get("access-control-allow-credentials") == "true"
    assert "X-Request-Id" in (response.get("access-control-expose-headers") or "")


def test_the_own_origin_needs_no_cors(edge: PlayedEdge, bearer: str) -> None:
    assert edge.decides(*GET, bearer, "Origin: http://h:8080")
    assert edge.send(*GET, bearer, "Origin: http://h:8080").get("access-control-allow-origin") is None


def test_a_service_that_is_down_gives_problem_details(edge: PlayedEdge, bearer: str) -> None:
    async def close(conversation: object) -> None:
        conversation.close()  # type: ignore[attr-defined]

    edge.decides(*GET, bearer)
    edge.service.begin_answering(close)
    response = edge.send(*GET, bearer)
    edge.service.begin_answering(SERVICE)
    assert (response.status, response.problem["code"]) == (502, "upstream_failed")


def test_haproxy_refuses_what_it_cannot_parse(edge: PlayedEdge) -> None:
    """With a page of its own: HAProxy 2.6 uses no configured one for these."""
    assert edge.send("GET /a b HTTP/1.1", "Host: h").status == 400
