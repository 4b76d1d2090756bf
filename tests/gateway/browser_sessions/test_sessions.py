"""Clients whose tokens the gateway refreshes (X-Refresh-Token) or holds (the session cookie), over real sockets."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from contract.identity import verify
from contract.internal import END_PATH, EXCHANGE_PATH, SESSIONS_PATH
from contract.keys import assertion_verifier
from contract.revocation import SESSION, STREAM, Revocation
from tests.gateway.access_tokens import IDENTITY_SECRET, SigningKey, access_claims
from tests.gateway.auth_stand_in import PASSWORD, USER, AuthStandIn, hash_of
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import Answer
from tests.gateway.raw_upstream import RawUpstream, answering, ok
from tests.gateway.running_gateway import RunningGateway, running

REFRESH = "/auth/jwt/refresh/"
FROM_OUR_PAGE = ("X-Requested-With: app", "Sec-Fetch-Site: same-origin")
COOKIE = "__Host-session"
UNKNOWN = "u" * 43
"""A handle that nobody was given."""


@pytest.fixture
def auth(signing_key: SigningKey) -> AuthStandIn:
    return AuthStandIn(signing_key)


@pytest.fixture
def upstream(shared_upstream: RawUpstream) -> RawUpstream:
    shared_upstream.begin()
    return shared_upstream


@pytest.fixture
def gateway(auth: AuthStandIn, upstream: RawUpstream, make_app: MakeApp) -> Iterator[RunningGateway]:
    place = RawUpstream()
    place.begin(auth.answer)
    with running(make_app(AUTH_URL=place.url)) as served:
        yield served
    place.stop()


@pytest.fixture
def expired(signing_key: SigningKey) -> str:
    return signing_key.sign(access_claims(time.time() - 600))


def ask(gateway: RunningGateway, line: str, *fields: str, body: bytes = b"") -> Answer:
    with gateway.connect() as client:
        length = [f"Content-Length: {len(body)}"] if body else []
        return client.ask(f"{line} HTTP/1.1", "Host: gateway", *fields, *length, body=body)


def ask_at_once(clients: int, gateway: RunningGateway, auth: AuthStandIn, *fields: str) -> list[int]:
    """What comes of requests that have all arrived before the auth service answers the first of their calls."""
    auth.holding = True
    with ThreadPoolExecutor(clients) as pool:
        answers = [pool.submit(ask, gateway, "GET /api/x", *fields) for _ in range(clients)]
        met = gateway.has_met(clients)
        auth.holding = False
        assert met
        return [answer.result().status for answer in answers]


def log_in(gateway: RunningGateway, password: str = PASSWORD, *fields: str) -> Answer:
    body = json.dumps({"email": "ada@example.org", "password": password}).encode()
    return ask(gateway, "POST /session/", "Content-Type: application/json", *(fields or FROM_OUR_PAGE), body=body)


def handle_in(answer: Answer) -> str:
    assert answer.status == 200, answer
    return (answer.get("set-cookie") or "").split(";")[0].removeprefix(f"{COOKIE}=")


# --- X-Refresh-Token -----------------------------------------------------------------------------------------------


def test_an_expired_token_with_a_good_refresh_token_goes_on(
    gateway: RunningGateway, upstream: RawUpstream, expired: str
) -> None:
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.get("x-refresh-token") == "successor"
    assert answer.get("cache-control") == "no-store"
    assert upstream.last.get("x-refresh-token") is None
    assert upstream.last.get("authorization") is None
    assertion = upstream.last.get("x-identity") or ""
    verifier = assertion_verifier(IDENTITY_SECRET)
    assert verify(assertion, verifier=verifier, audience="notes", now=time.time()).subject == "ada-id"
    again = ask(gateway, "GET /api/x", f"Authorization: Bearer {answer.get('x-access-token')}")
    assert again.status == 200
    assert again.get("x-access-token") is None


def test_a_body_is_forwarded_whole_after_the_refresh(
    gateway: RunningGateway, upstream: RawUpstream, expired: str
) -> None:
    """The refresh comes before the first byte is forwarded."""
    body = bytes(range(256)) * 4_000
    answer = ask(
        gateway, "POST /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh", body=body
    )
    assert (answer.status, upstream.last.content()) == (200, body)


def test_a_good_token_is_not_refreshed(gateway: RunningGateway, auth: AuthStandIn, token: str) -> None:
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {token}", "X-Refresh-Token: good-refresh")
    assert (answer.status, auth.count(REFRESH)) == (200, 0)


def test_fifty_requests_with_one_refresh_token_cause_one_call(
    gateway: RunningGateway, auth: AuthStandIn, expired: str
) -> None:
    fields = f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh"
    assert ask_at_once(50, gateway, auth, *fields) == [200] * 50
    assert auth.count(REFRESH) == 1


def test_a_refused_refresh_token_is_a_401(gateway: RunningGateway, expired: str) -> None:
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: spent")
    assert (answer.status, answer.problem["code"]) == (401, "token_expired")


def test_an_outage_of_the_auth_service_is_a_503_and_never_a_401(
    gateway: RunningGateway, auth: AuthStandIn, expired: str
) -> None:
    auth.down = True
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.problem["code"]) == (503, "auth_unavailable")
    assert answer.get("retry-after") in ("1", "2")


def test_new_tokens_are_handed_back_with_whatever_answer_there_is(
    gateway: RunningGateway, auth: AuthStandIn, upstream: RawUpstream, expired: str
) -> None:
    upstream.begin(answering(b"", then_close=True))
    answer = ask(gateway, "POST /api/x", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.get("x-refresh-token")) == (502, "successor")


def test_a_forged_token_is_not_refreshed(gateway: RunningGateway, auth: AuthStandIn, token: str) -> None:
    forged = token.rpartition(".")[0] + "." + "A" * 342
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {forged}", "X-Refresh-Token: good-refresh")
    assert (answer.status, auth.count(REFRESH)) == (401, 0)


@pytest.mark.parametrize("seconds_ago", [1, 300])
def test_a_client_that_was_away_while_the_key_was_replaced_goes_on(gateway: RunningGateway, seconds_ago: int) -> None:
    """Its access token is of a key that nobody knows any more, and has expired; its refresh token is good."""
    replaced = SigningKey("replaced").sign(access_claims(time.time() - 300 - seconds_ago))
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {replaced}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.get("x-refresh-token")) == (200, "successor")
    alone = ask(gateway, "GET /api/x", f"Authorization: Bearer {replaced}")
    assert (alone.status, alone.problem["code"]) == (401, "token_expired")


def test_a_token_of_an_unknown_key_that_says_it_is_good_is_not_refreshed(
    gateway: RunningGateway, auth: AuthStandIn
) -> None:
    unknown = SigningKey("unknown").sign(access_claims(time.time()))
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {unknown}", "X-Refresh-Token: good-refresh")
    assert (answer.status, answer.problem["code"], auth.count(REFRESH)) == (401, "token_invalid", 0)


def test_two_refresh_tokens_are_refused(gateway: RunningGateway, expired: str) -> None:
    fields = (f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh", "X-Refresh-Token: other")
    assert ask(gateway, "GET /api/x", *fields).problem["code"] == "multiple_credentials"


def test_the_auth_services_own_endpoints_are_reached_with_the_fresh_token(
    gateway: RunningGateway, expired: str
) -> None:
    answer = ask(gateway, "GET /auth/users/me/", f"Authorization: Bearer {expired}", "X-Refresh-Token: good-refresh")
    assert json.loads(answer.body)["authorization"] == f"Bearer {answer.get('x-access-token')}"


def test_tokens_that_an_upstream_says_are_not_handed_on(
    gateway: RunningGateway, upstream: RawUpstream, token: str
) -> None:
    upstream.begin(answering(ok(b"ok", "X-Access-Token: planted", "X-Refresh-Token: planted")))
    answer = ask(gateway, "GET /api/x", f"Authorization: Bearer {token}")
    assert (answer.get("x-access-token"), answer.get("x-refresh-token")) == (None, None)


# --- the session cookie -----------------------------------------------------------------------------------------


def test_a_log_in_sets_a_cookie_and_shows_no_token(gateway: RunningGateway, auth: AuthStandIn) -> None:
    answer = log_in(gateway)
    assert json.loads(answer.body)["user"] == USER
    cookie = answer.get("set-cookie") or ""
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    assert len(handle_in(answer)) >= 43  # 256 bits
    assert hash_of(handle_in(answer)) in auth.handles
    assert b"eyJ" not in answer.body
    assert "eyJ" not in str(answer.fields)


def test_a_wrong_password_gets_the_auth_services_own_answer(gateway: RunningGateway) -> None:
    answer = log_in(gateway, "wrong")
    assert (answer.status, answer.get("set-cookie")) == (401, None)
    assert json.loads(answer.body) == {"detail": "No active account found with the given credentials"}


@pytest.mark.parametrize("fields", [("X-Requested-With: app",), ("Sec-Fetch-Site: same-origin",)])
def test_a_foreign_page_cannot_log_anybody_in(
    gateway: RunningGateway, auth: AuthStandIn, fields: tuple[str, ...]
) -> None:
    assert log_in(gateway, PASSWORD, *fields).problem["code"] == "cross_site"
    assert auth.count(SESSIONS_PATH) == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"email": 1, "password": "x"}', b'{"email": "a@b.co"}', b'{"email": "\\u0000"}']
)
def test_a_malformed_log_in_is_a_400(gateway: RunningGateway, auth: AuthStandIn, body: bytes) -> None:
    answer = ask(gateway, "POST /session/", "Content-Type: application/json", *FROM_OUR_PAGE, body=body)
    assert (answer.status, auth.count(SESSIONS_PATH)) == (400, 0)


def test_the_cookie_opens_the_same_routes(gateway: RunningGateway, upstream: RawUpstream) -> None:
    cookie = f"Cookie: theme=dark; {COOKIE}={handle_in(log_in(gateway))}; lang=en"
    assert ask(gateway, "GET /api/x", cookie).status == 200
    assert upstream.last.get("x-user-id") == "ada-id"
    assert upstream.last.get("cookie") is None
    me = json.loads(ask(gateway, "GET /auth/users/me/", cookie).body)
    assert me["authorization"].startswith("Bearer eyJ")
    assert me["cookie"] == "theme=dark; lang=en"  # the handle stays at the gateway


def test_who_is_there(gateway: RunningGateway) -> None:
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    told = json.loads(ask(gateway, "GET /session/", cookie).body)
    assert told["user"] == USER
    assert told["expires_at"] > time.time()
    assert ask(gateway, "GET /session/").problem["code"] == "no_credentials"


def test_a_change_needs_a_page_of_ours(gateway: RunningGateway, upstream: RawUpstream) -> None:
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    assert ask(gateway, "POST /api/x", cookie, body=b"x").problem["code"] == "cross_site"
    assert upstream.requests == []
    assert ask(gateway, "POST /api/x", cookie, *FROM_OUR_PAGE, body=b"x").status == 200


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://gateway", True),
        ("http://gateway:80", True),
        ("http://localhost:8100", True),
        ("https://gateway", False),
        ("evil://gateway", False),
        ("http://gateway:81", False),
        ("http://gateway.evil.example", False),
        ("null", False),
    ],
)
def test_every_surface_that_takes_the_cookie_asks_for_the_same_origin(
    gateway: RunningGateway, upstream: RawUpstream, origin: str, is_ours: bool
) -> None:
    """RFC 6454: scheme, host and port. `http://localhost:8100` is allowed in development."""
    fields = (f"Cookie: {COOKIE}={handle_in(log_in(gateway))}", "X-Requested-With: app", f"Origin: {origin}")
    refused = [
        ask(gateway, "POST /api/x", *fields, body=b"x").status == 403,
        ask(gateway, "POST /session/ticket", *fields).status == 403,
        ask(gateway, "POST /auth/users/set_password/", *fields, body=b"{}").status == 403,
        ask(gateway, "DELETE /session/", *fields).status == 403,
    ]
    assert refused == [not is_ours] * 4
    assert len(upstream.requests) == is_ours


def test_behind_tls_the_scheme_is_what_a_trusted_proxy_says(
    auth: AuthStandIn, upstream: RawUpstream, make_app: MakeApp
) -> None:
    place = RawUpstream()
    place.begin(auth.answer)
    page = ("X-Requested-With: app", "Origin: https://gateway")
    with running(make_app(AUTH_URL=place.url, TRUSTED_PROXIES="127.0.0.1", APP_ENV="production")) as gateway:
        by_tls = (*page, "X-Forwarded-Proto: https")
        cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway, PASSWORD, *by_tls))}"
        assert ask(gateway, "POST /api/x", cookie, *by_tls, body=b"x").status == 200
        refused = ask(gateway, "POST /api/x", cookie, *page, body=b"x")
    place.stop()
    assert (refused.status, refused.problem["code"]) == (403, "cross_site")
    assert "TRUSTED_PROXIES" in refused.problem["detail"]


def test_a_log_out_ends_the_session_and_clears_the_cookie(gateway: RunningGateway, auth: AuthStandIn) -> None:
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    answer = ask(gateway, "DELETE /session/", cookie, *FROM_OUR_PAGE)
    assert (answer.status, auth.handles) == (204, set())
    assert "Max-Age=0" in (answer.get("set-cookie") or "")
    after = ask(gateway, "GET /api/x", cookie)
    assert (after.status, after.problem["code"], after.get("set-cookie")) == (401, "session_ended", None)
    assert ask(gateway, "DELETE /session/", cookie, *FROM_OUR_PAGE).status == 204


def test_an_outage_never_clears_the_cookie(gateway: RunningGateway, auth: AuthStandIn) -> None:
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    auth.down = True
    assert ask(gateway, "GET /api/x", cookie).status == 200  # the token in hand is still good
    log_out = ask(gateway, "DELETE /session/", cookie, *FROM_OUR_PAGE)
    assert (log_out.status, log_out.get("set-cookie")) == (503, None)
    assert log_out.get("retry-after") in ("1", "2")
    refused = ask(gateway, "GET /api/x", cookie)
    assert (refused.status, refused.problem["code"]) == (503, "auth_unavailable")
    auth.down = False
    assert ask(gateway, "GET /api/x", cookie).status == 200


def test_a_handle_that_nobody_knows_is_asked_about_once(gateway: RunningGateway, auth: AuthStandIn) -> None:
    for _ in range(5):
        assert ask(gateway, "GET /api/x", f"Cookie: {COOKIE}={UNKNOWN}").problem["code"] == "session_ended"
    assert auth.count(EXCHANGE_PATH) == 1


def test_fifty_requests_at_expiry_cause_one_exchange(gateway: RunningGateway, auth: AuthStandIn) -> None:
    auth.lifetime = 1
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    auth.lifetime = 300
    time.sleep(1.1)  # the token's own life: a real auth service has signed it by the real clock
    assert ask_at_once(50, gateway, auth, cookie) == [200] * 50
    assert auth.count(EXCHANGE_PATH) == 1


def test_a_token_is_renewed_ahead_of_its_end_unseen(gateway: RunningGateway, auth: AuthStandIn) -> None:
    """The answer is there while the exchange is still on its way."""
    time.sleep(1 - time.time() % 1)  # `exp` is in whole seconds
    auth.lifetime = 3
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    time.sleep(2.5)  # past four fifths of its life, which is the real clock's: the token is a real one
    minted, auth.holding = auth.minted, True
    assert ask(gateway, "GET /api/x", cookie).status == 200
    assert auth.minted == minted
    auth.holding = False
    deadline = time.monotonic() + 5
    while auth.minted == minted and time.monotonic() < deadline:
        time.sleep(0.02)
    assert auth.count(EXCHANGE_PATH) == 1


def test_the_plain_http_cookie_has_another_name(auth: AuthStandIn, upstream: RawUpstream, make_app: MakeApp) -> None:
    place = RawUpstream()
    place.begin(auth.answer)
    with running(make_app(AUTH_URL=place.url, SESSION_COOKIE_SECURE="off")) as gateway:
        cookie = log_in(gateway).get("set-cookie") or ""
        assert cookie.startswith("sallyport-session=")
        assert "Secure" not in cookie
        assert ask(gateway, "GET /api/x", f"Cookie: {cookie.split(';')[0]}").status == 200
    place.stop()


def test_log_outs_reach_the_auth_service(gateway: RunningGateway, auth: AuthStandIn) -> None:
    ask(gateway, "DELETE /session/", f"Cookie: {COOKIE}={handle_in(log_in(gateway))}", *FROM_OUR_PAGE)
    assert auth.count(END_PATH) == 1


def test_a_throttled_log_in_is_told_how_long_to_wait(
    auth: AuthStandIn, upstream: RawUpstream, make_app: MakeApp
) -> None:
    """By the auth service, whose answer it is."""
    place = RawUpstream()
    place.begin(auth.answer)
    body = b'{"detail": "Request was throttled."}'
    with running(make_app(AUTH_URL=place.url)) as served:
        place.begin_answering(answering(ok(body, "Retry-After: 42").replace(b"200 OK", b"429 Too Many Requests", 1)))
        answer = log_in(served)
    place.stop()
    assert (answer.status, answer.get("retry-after"), answer.body) == (429, "42", body)


def test_a_log_in_names_the_session_that_it_replaces(gateway: RunningGateway, auth: AuthStandIn) -> None:
    """The one whose cookie came with it; a cookie that is no handle replaces nothing."""
    first = handle_in(log_in(gateway))
    for cookie in (f"{COOKIE}={first}", f"{COOKIE}=no handle", f"{COOKIE}={first}; {COOKIE}={first}"):
        assert log_in(gateway, PASSWORD, *FROM_OUR_PAGE, f"Cookie: {cookie}").status == 200
    assert auth.replaced == [None, hash_of(first), None, None]
    assert ask(gateway, "GET /api/x", f"Cookie: {COOKIE}={first}").status == 401
    wrong = log_in(gateway, "wrong", *FROM_OUR_PAGE, f"Cookie: {COOKIE}={first}")
    assert wrong.status == 401


def test_who_is_there_agrees_with_the_routes_about_revocations(
    gateway: RunningGateway, auth: AuthStandIn, redis_url: str
) -> None:
    """The token that is held was revoked: by a log-out at another worker, a change of password, a deactivation."""
    cookie = f"Cookie: {COOKIE}={handle_in(log_in(gateway))}"
    assert ask(gateway, "GET /session/", cookie).status == 200
    auth.handles.clear()
    now = int(time.time())
    with Redis.from_url(redis_url) as redis:
        redis.xadd(STREAM, dict(Revocation(SESSION, auth.session, now, now + 300).to_fields().items()))
        deadline = time.monotonic() + 5
        while ask(gateway, "GET /session/", cookie).status == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        redis.delete(STREAM)
    assert ask(gateway, "GET /session/", cookie).status == 401
    assert ask(gateway, "GET /api/x", cookie).status == 401
