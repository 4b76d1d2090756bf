"""The pipeline: the order of its stages, no credentials in its cache, and refreshed tokens in refusals."""

import asyncio
import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract.credentials import token_digest
from contract.problems import Refused
from contract.revocation import Revocation
from gateway.browser_sessions.page_sessions import PageSessions, SessionCookieValues
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.browser_sessions.tickets import Tickets
from gateway.http.origin import AllowedOrigins
from gateway.http.request import HeaderSection, KnownFields, Request, RequestRecord, RequestTarget
from gateway.http.via import Via
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.registry import authenticators
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.forwarded_credentials import CredentialForwarding
from gateway.pipeline.identity_headers import IdentityHeaders
from gateway.pipeline.match import KnownSection, MatchedRequest, MatchStage
from gateway.pipeline.pipeline import AdmittedRequest, Pipeline
from gateway.pipeline.request_head import HeadTemplate
from gateway.rate_limits.limiter import RateLimiter
from gateway.rate_limits.redis_sync import SharedCounters
from gateway.routing.loader import load_routes
from gateway.suspendable import run
from gateway.tokens.auth_client import AuthResponse
from gateway.tokens.refresh import TokenRefresher
from tests.clocks import MovableClock
from tests.gateway.access_tokens import IDENTITY_SECRET, PEER_SECRET, SigningKey, access_claims
from tests.gateway.routes_toml import AUTH_UPSTREAM, limits, route_table, routes_toml, upstream_table
from tests.gateway.tokens.verifier_harness import Publisher, VerifierHarness
from tests.watched import watched

ROUTES = routes_toml(
    AUTH_UPSTREAM,
    upstream_table("notes", identity_secret_env="NOTES_SECRET"),
    route_table("/auth/", "public", upstream="auth"),
    route_table("/public/", "public"),
    route_table("/api/", methods=["GET", "POST"], max_body=10),
    route_table("/admin/", ["admin"]),
    route_table("/admin-limited/", ["admin"], limits=limits(address="100/hour", identity="100/hour")),
    route_table("/pages/", login="redirect"),
    route_table("/once/", limits=limits(address="100/hour", identity="100/hour")),
)
CLIENT = "192.0.2.7"
REFRESH_TOKEN = "good-refresh"
HANDLE = "h" * 43
CREDENTIALS = (b"authorization", b"cookie", b"x-refresh-token")


@dataclass
class PipelineHarness:
    """A pipeline with an auth service that answers every refresh with new tokens. Its clock can be moved."""

    verifier_harness: VerifierHarness
    key: SigningKey
    pipeline: Pipeline
    counters: SharedCounters

    def token(self, **changed: object) -> str:
        """Return a valid access token; `changed` overrides claims."""
        return self.key.sign(access_claims(self.verifier_harness.clock(), **changed))

    def request(self, path: str, *fields: tuple[bytes, bytes], method: str = "GET") -> Request:
        """Return a request with these header fields."""
        headers = [(b"host", b"gateway"), *fields]
        return Request("id-1", method, path.encode(), b"", headers, "1.1", CLIENT, "https", None)

    def admit(self, request: Request) -> AdmittedRequest:
        """Admit `request` in a task."""
        return asyncio.run(run(self.pipeline.admit(request, RequestRecord())))

    def admit_at_once(self, request: Request) -> AdmittedRequest:
        """Admit `request` as an event-loop callback does, without a task. Fails if the admission has to wait."""
        with pytest.raises(StopIteration) as finished:
            self.pipeline.admit(request, RequestRecord()).send(None)
        admitted = finished.value.value
        assert isinstance(admitted, AdmittedRequest)
        return admitted

    def refusal(self, request: Request) -> Refused:
        """Return the refusal of `request`."""
        with pytest.raises(Refused) as refused:
            self.admit(request)
        return refused.value

    def count(self, path: str) -> list[int]:
        """Return the counted requests of CLIENT and ada under the two limits of the route at `path`."""
        route = self.pipeline.match_stage.routes_of(self.request(path))["GET"]
        now = self.verifier_harness.clock()
        keys = (CLIENT, "ada-id")
        return [self.counters.counter(limit, key, now).total for limit, key in zip(route.limits, keys, strict=True)]


def bearer(token: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {token}".encode()


@pytest.fixture
def harness(clock: MovableClock, signing_key: SigningKey, tmp_path: Path) -> PipelineHarness:
    (tmp_path / "routes.toml").write_text(ROUTES)
    environ = {
        "NOTES_SECRET": IDENTITY_SECRET,
        "AUTH_URL": "http://127.0.0.1:1",
        "RESOURCE_URL": "http://127.0.0.1:1",
    }
    table = load_routes(tmp_path / "routes.toml", environ=environ, data_dir=tmp_path)
    verifier_harness = VerifierHarness(clock, Publisher([signing_key]))
    asyncio.run(verifier_harness.load())

    async def post(path: str, document: bytes) -> AuthResponse:
        access = signing_key.sign(access_claims(clock(), jti=f"{time.monotonic_ns():032x}"))
        members = {"access": access, "refresh": "successor", "expires_at": clock() + 3_600, "user": {}}
        return AuthResponse(200, json.dumps(members).encode(), None)

    redis = Redis.from_url("redis://127.0.0.1:1")  # not used: no test comes near a limit
    counters = SharedCounters(redis, clock)
    sessions = BrowserSessions(post, clock, 10)
    session_cookie = SessionCookieAuthenticator(
        verifier_harness.token_verifier,
        sessions,
        clear_cookie="session=",
        allowed_origins=AllowedOrigins(),
    )
    registry = authenticators(
        verifier_harness.token_verifier,
        TokenRefresher(post),
        session_cookie,
        Tickets(redis, watched(PEER_SECRET), clock),
        clock,
    )
    authentication = AuthenticateStage(registry, verifier_harness.token_verifier)
    pipeline = Pipeline(
        MatchStage(table, authentication, "session", Via("gateway"), lambda _: None),
        authentication,
        CredentialForwarding(
            authentication,
            session_cookie,
            PageSessions(
                sessions,
                SessionCookieValues("session={}; Max-Age={}".format, "session="),
                watched(PEER_SECRET),
                clock,
            ),
            watched(PEER_SECRET),
        ),
        IdentityHeaders(10),
        RateLimiter(counters, clock),
        clock,
    )
    return PipelineHarness(verifier_harness, signing_key, pipeline, counters)


def test_a_request_is_admitted_without_a_task(harness: PipelineHarness) -> None:
    """Its token is verified, its limits are counted, and its identity is asserted without waiting."""
    admitted = harness.admit_at_once(harness.request("/once/x", bearer(harness.token())))
    assert admitted.principal is not None
    assert admitted.principal.claims.subject == "ada-id"
    assert b"\r\nX-User-Id: ada-id\r\n" in admitted.head(b"Host: notes\r\n")
    assert [name for name, _ in admitted.response_headers] == [b"ratelimit-policy", b"ratelimit"]


def test_a_session_cookie_whose_token_is_in_memory_is_admitted_without_a_task(harness: PipelineHarness) -> None:
    request = harness.request("/api/x", (b"cookie", b"session=" + HANDLE.encode()))
    exchanged = harness.admit(request)
    admitted = harness.admit_at_once(request)
    assert admitted.principal is not None
    assert admitted.principal == exchanged.principal
    assert admitted.principal.handle == HANDLE
    assert b"\r\nX-User-Id: ada-id\r\n" in admitted.head(b"Host: notes\r\n")


def test_a_valid_token_with_a_refresh_token_is_admitted_without_a_task(harness: PipelineHarness) -> None:
    fields = bearer(harness.token()), (b"x-refresh-token", REFRESH_TOKEN.encode())
    admitted = harness.admit_at_once(harness.request("/api/x", *fields))
    assert admitted.principal is not None
    assert admitted.principal.claims.subject == "ada-id"
    assert admitted.fresh is None


def test_the_first_stage_that_refuses_decides(harness: PipelineHarness) -> None:
    """The order is: target, header fields, path, method, body, credentials, role.

    Every request but the last would be refused by several stages.
    """
    user = bearer(harness.token(roles="user"))
    too_long, broken = (b"content-length", b"11"), (b"content-length", b"x")
    in_order = [
        ("bad_path", harness.request("/unknown//x", broken, method="PUT")),
        ("bad_header", harness.request("/unknown/x", broken, method="PUT")),
        ("not_found", harness.request("/unknown/x", too_long, method="PUT")),
        ("method_not_allowed", harness.request("/api/x", too_long, method="PUT")),
        ("body_too_large", harness.request("/api/x", too_long, method="POST")),
        ("no_credentials", harness.request("/admin/x")),
        ("insufficient_scope", harness.request("/admin/x", user)),
    ]
    assert [harness.refusal(request).code for _, request in in_order] == [code for code, _ in in_order]


def test_an_invalid_token_counts_for_its_address_only(harness: PipelineHarness) -> None:
    """The address limit then stops a flood of invalid tokens."""
    forged = SigningKey(kid=harness.key.kid).sign(access_claims(harness.verifier_harness.clock()))
    assert harness.refusal(harness.request("/once/x", bearer(forged))).code == "token_invalid"
    assert harness.count("/once/x") == [1, 0]


def test_a_missing_role_counts_for_address_and_identity(harness: PipelineHarness) -> None:
    """The limits are checked before the roles."""
    refused = harness.refusal(harness.request("/admin-limited/x", bearer(harness.token())))
    assert refused.code == "insufficient_scope"
    assert harness.count("/admin-limited/x") == [1, 1]


@pytest.mark.parametrize("path", ["/admin/x", "/admin-limited/x"])
def test_a_refusal_after_a_refresh_carries_the_new_tokens(harness: PipelineHarness, path: str) -> None:
    """The refresh has replaced the client's refresh token: without the new tokens the client may be logged out."""
    expired = harness.token(exp=int(harness.verifier_harness.clock()) - 60)
    request = harness.request(path, bearer(expired), (b"x-refresh-token", REFRESH_TOKEN.encode()))
    headers = harness.refusal(request).to_headers()
    assert headers["X-Refresh-Token"] == "successor"
    assert headers["X-Access-Token"].count(".") == 2
    assert headers["Cache-Control"] == "no-store"


def test_an_admitted_request_is_confirmed_until_its_token_is_revoked(harness: PipelineHarness) -> None:
    """The session may end while an admitted request waits for its body or a slot."""
    request = harness.request("/api/x", bearer(harness.token()))
    admitted = harness.admit(request)
    harness.pipeline.confirm(admitted, request)
    now = int(harness.verifier_harness.clock())
    harness.verifier_harness.revocations.add(Revocation("sid", "ada-session", now, until=now + 300))
    with pytest.raises(Refused) as refused:
        harness.pipeline.confirm(admitted, request)
    assert refused.value.code == "token_revoked"


def test_a_session_that_ends_while_its_navigation_waits_is_redirected(harness: PipelineHarness) -> None:
    fields = (b"cookie", b"session=" + HANDLE.encode()), (b"sec-fetch-mode", b"navigate")
    request = harness.request("/pages/x", *fields)
    admitted = harness.admit(request)
    harness.pipeline.confirm(admitted, request)
    now = int(harness.verifier_harness.clock())
    harness.verifier_harness.revocations.add(Revocation("sid", "ada-session", now, until=now + 300))
    for other, status in ((request, 303), (harness.request("/pages/x", fields[0]), 401)):
        with pytest.raises(Refused) as refused:
            harness.pipeline.confirm(admitted, other)
        assert (refused.value.status, refused.value.code) == (status, "token_revoked")


# --- what is cached -------------------------------------------------------------------------------------------------


def known(request: Request, token: str) -> Request:
    """Return `request` as the server passes it to the pipeline if its header section is cached."""
    headers = tuple((name, b"" if name in CREDENTIALS else value) for name, value in request.headers)
    values = dict(request.headers)
    refresh_token = values[b"x-refresh-token"].decode() if b"x-refresh-token" in values else None
    cookies = values.get(b"cookie", b"")
    digest = token_digest(token.encode()) if token else b""
    fields = KnownFields(HeaderSection(headers), list(request.headers), None, token, digest, refresh_token, cookies)
    target = RequestTarget(request.method, request.path, request.query, is_repeated=True)
    return request._replace(target=target, known_fields=fields)


def with_path(request: Request, path: str) -> Request:
    """Return the known `request` with another path."""
    target = RequestTarget(request.method, path.encode(), request.query, is_repeated=False)
    return request._replace(path=path.encode(), target=target)


def cached(harness: PipelineHarness) -> str:
    """Return what the match stage has cached, as text."""
    stage = harness.pipeline.match_stage
    assert len(stage._sections) == 1
    return repr((stage._sections, stage._repeated))


def with_token(request: Request, token: str) -> Request:
    """Return the known `request` with another token."""
    fields = request.known_fields or pytest.fail("its header section is cached")
    headers = [bearer(token) if name == b"authorization" else (name, value) for name, value in request.headers]
    fields = fields._replace(headers=headers, token=token, token_digest=token_digest(token.encode()))
    return request._replace(headers=headers, known_fields=fields)


def test_what_is_cached_of_a_request_has_no_field_for_credentials() -> None:
    """Its fields hold no token, no cookie, and no request that could contain one."""
    assert set(MatchedRequest._fields) == {
        *("route", "authenticator", "template", "request_line", "own_lines"),
        *("has_body", "chunked", "is_websocket"),
    }
    assert {field.name for field in dataclasses.fields(KnownSection)} == {"template", "authenticator", "around_etag"}
    assert {field.name for field in dataclasses.fields(HeadTemplate)} == {
        *("host_line", "copied", "host", "via", "end")
    }
    assert {field.name for field in dataclasses.fields(HeaderSection)} == {"headers", "origin"}
    for kind in (KnownSection, HeadTemplate, HeaderSection):
        assert kind.__dataclass_params__.frozen  # type: ignore[union-attr]  # what @dataclass keeps of its arguments


@pytest.mark.parametrize("path", ["/api/x", "/public/x", "/auth/users/me/"])
def test_requests_with_one_header_section_share_nothing_of_their_tokens(harness: PipelineHarness, path: str) -> None:
    ada, bob = harness.token(), harness.token(sub="bob-id", user_id="bob-id", sid="bob", jti="b" * 32)
    first = known(harness.request(path, bearer(ada)), ada)
    harness.admit(first)
    assert ada not in cached(harness)
    head = harness.admit(with_token(first, bob)).head(b"Host: h\r\n").decode()
    assert ada not in head
    assert (f"Authorization: Bearer {bob}\r\n" in head) == path.startswith("/auth/")
    assert ("X-User-Id: bob-id\r\n" in head) == path.startswith("/api/")


def test_requests_with_one_header_section_share_nothing_of_their_targets(harness: PipelineHarness) -> None:
    """Each is matched with the route of its own path, and checked by itself."""
    token = harness.token()
    first = known(harness.request("/api/x", bearer(token)), token)
    for path, upstream_line in (
        ("/api/x", b"GET /api/x "),
        ("/api/y", b"GET /api/y "),
        ("/public/", b"GET /public/ "),
    ):
        for _ in range(2):
            head = harness.admit(with_path(first, path)).head(b"Host: h\r\n")
            assert head.startswith(upstream_line)
            assert (b"X-User-Id: ada-id" in head) == path.startswith("/api/")
    for path, code in (("/nowhere", "not_found"), ("/api/../x", "bad_path"), ("/api//x", "bad_path")):
        assert harness.refusal(with_path(first, path)).code == code


@pytest.mark.parametrize("field", [(b"cookie", b"theme=dark"), (b"x-refresh-token", REFRESH_TOKEN.encode())])
def test_a_known_match_is_shared_by_requests_with_other_credentials(
    harness: PipelineHarness, field: tuple[bytes, bytes]
) -> None:
    token = harness.token()
    request = known(harness.request("/api/x", bearer(token), field), token)
    heads = [harness.admit(request).head(b"Host: h\r\n") for _ in range(2)]
    assert heads[0] == heads[1]
    assert field[1].decode() not in cached(harness)


def test_a_known_header_section_without_a_token_is_refused(harness: PipelineHarness) -> None:
    request = known(harness.request("/api/x"), "")
    assert [harness.refusal(request).code for _ in range(3)] == ["no_credentials"] * 3
