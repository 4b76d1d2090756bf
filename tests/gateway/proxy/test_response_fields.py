"""Which header fields of an upstream's response reach the client, and which the gateway adds."""

from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway


def test_cookies_identity_and_hop_by_hop_fields_are_removed(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    """R32, R37; and fields that address the next proxy."""
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
    defaults = ["date", "x-content-type-options", "via", "vary"]
    assert [name for name, _ in answer.fields] == [*defaults, "content-length", "x-kept", "x-request-id"]
    assert answer.get("x-request-id") == upstream.last.get("x-request-id")


def test_cookies_of_the_auth_service_reach_the_client(gateway: RunningGateway, auth_upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.ask("GET /auth/ HTTP/1.1", "Host: h").get_all("set-cookie") == ["a=1", "b=2"]
