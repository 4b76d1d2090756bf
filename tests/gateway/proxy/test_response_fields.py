"""Which header fields of an upstream's response reach the client, and which the gateway adds."""

import time

from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.browser import send
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving


def test_cookies_identity_and_hop_by_hop_fields_are_removed(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    """So are Server, and fields that control a proxy in front of the gateway, such as X-Accel-Redirect."""
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
        answer = client.request("GET /api/ HTTP/1.1", "Host: h", f"Authorization: Bearer {token}")
    defaults = ["date", "x-content-type-options", "via", "vary"]
    assert [name for name, _ in answer.fields] == [*defaults, "content-length", "x-kept", "x-request-id"]
    assert answer.get("x-request-id") == upstream.last.get("x-request-id")


def test_cookies_of_the_auth_service_reach_the_client(gateway: RunningGateway, auth_upstream: RawUpstream) -> None:
    with gateway.connect() as client:
        assert client.request("GET /auth/ HTTP/1.1", "Host: h").get_all("set-cookie") == ["a=1", "b=2"]


def test_a_response_with_refreshed_tokens_has_the_cache_control_no_store(
    make_app: MakeApp, upstream: RawUpstream, signing_key: SigningKey
) -> None:
    """A cache must not keep tokens."""
    upstream.begin(answering(ok(b"x", "Cache-Control: max-age=60", "X-Kept: 1")))
    expired = signing_key.sign(access_claims(time.time() - 600))
    with serving(AuthStandIn(signing_key)) as auth, running(make_app(AUTH_URL=auth.url)) as gateway:
        answer = send(gateway, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.get("x-refresh-token")) == (200, "successor")
    assert (answer.get("cache-control"), answer.get("x-kept")) == ("no-store", "1")


def test_overrides_of_the_route_replace_fields_of_the_upstream(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    upstream.begin(answering(ok(b"x", "Cache-Control: max-age=60", "X-Frame-Options: SAMEORIGIN")))
    for _ in range(3):  # the third time, the head is cached
        answer = send(gateway, "GET /fixed/")
        assert (answer.get("cache-control"), answer.get("x-frame-options")) == ("no-store", "DENY")
