"""The session cookie on hosted pages: which forms pass, and how the auth service's response changes the cookie."""

import asyncio
from collections.abc import Iterator

import pytest

from contract.page_session import ENDED, SessionOffer, opened, verify_offer
from tests.gateway.access_tokens import PEER_SECRET, SigningKey
from tests.gateway.browser import COOKIE, UNKNOWN_HANDLE, log_in_for_cookie, send
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.raw_upstream import Conversation, RawUpstream, answering
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, hash_of, serving

LOGIN = "POST /auth/login/"
FORM = "Content-Type: application/x-www-form-urlencoded"
SAME_ORIGIN = "Sec-Fetch-Site: same-origin"
OWN = "Origin: http://gateway"
BODY = b"email=ada%40example.org"


class PagesStandIn(AuthStandIn):
    """The auth service: it answers a form with `change`, and keeps the offer and the Authorization of the last.

    It answers a form at /auth/register/ with a page, whose body follows the head.
    """

    change: str = ""
    status: int = 303
    offer: SessionOffer | None = None
    authorization: str | None = None
    forms = 0

    async def answer(self, conversation: Conversation) -> None:
        """Answer a form; any other request as the auth service does."""
        request = conversation.request
        if not request.request_line.startswith("POST /auth/"):
            return await super().answer(conversation)
        await conversation.read_body()
        self.forms += 1
        offer = request.get("x-session-offer")
        self.offer = verify_offer(offer, PEER_SECRET, now=self.clock()) if offer else None
        self.authorization = request.get("authorization")
        if self.offer is not None and self.change.startswith("opened"):
            self.handles.add(self.offer.new_hash)
        if "/register/" in request.request_line:
            await conversation.write(b"HTTP/1.1 400 X\r\nContent-Length: 4\r\n\r\n")
            await asyncio.sleep(0.05)  # two writes that the gateway receives separately
            await conversation.write(b"page")
            return None
        head = f"HTTP/1.1 {self.status} X\r\nLocation: /notes\r\nX-Session-Change: {self.change}\r\n"
        await conversation.write(f"{head}Content-Length: 0\r\n\r\n".encode())
        return None


@pytest.fixture
def auth(signing_key: SigningKey) -> PagesStandIn:
    return PagesStandIn(signing_key)


@pytest.fixture
def auth_server(auth: PagesStandIn) -> Iterator[RawUpstream]:
    with serving(auth) as server:
        yield server


@pytest.fixture
def gateway(auth_server: RawUpstream, upstream: RawUpstream, make_app: MakeApp) -> Iterator[RunningGateway]:
    with running(make_app(AUTH_URL=auth_server.url)) as served:
        yield served


def cookie_of(response: RawResponse) -> str:
    """Return the Cookie field that a browser sends after `response`."""
    (value,) = response.get_all("set-cookie")
    return f"Cookie: {value.split(';')[0]}"


@pytest.mark.parametrize(
    "fields",
    [
        (SAME_ORIGIN,),
        (OWN,),
        (SAME_ORIGIN, OWN),
        (SAME_ORIGIN, "Origin: null"),  # a page with Referrer-Policy: no-referrer
    ],
    ids=repr,
)
def test_a_log_in_form_of_the_own_origin_sets_the_cookie(
    gateway: RunningGateway, auth: PagesStandIn, fields: tuple[str, ...]
) -> None:
    """The auth service knows the hash of the handle, and no response but the cookie has the handle."""
    auth.change = opened(1_000)
    response = send(gateway, LOGIN, FORM, *fields, body=BODY)
    assert (response.status, response.get("location")) == (303, "/notes")
    assert response.get("x-session-change") is None
    (cookie,) = response.get_all("set-cookie")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=Strict", "Max-Age=1000"} <= set(cookie.split("; "))
    handle = cookie.split(";")[0].removeprefix(f"{COOKIE}=")
    assert auth.offer == SessionOffer(hash_of(handle), None)
    assert send(gateway, "GET /api/x", cookie_of(response)).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("X-Requested-With: app",),
        ("Sec-Fetch-Site: same-site",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: none",),
        ("Origin: null",),
        ("Origin: null", "Sec-Fetch-Site: cross-site"),
        ("Origin: https://gateway",),
        ("Origin: http://evil.example",),
        ("Origin: http://evil.example", SAME_ORIGIN),
        ("Origin: http://sub.gateway",),
        ("Origin: http://localhost:5173",),  # one of ALLOWED_ORIGINS in development: for scripts, not for log-ins
    ],
    ids=repr,
)
@pytest.mark.parametrize("path", ["/auth/login/", "/auth/register/", "/auth/account/delete/"])
def test_a_form_of_another_origin_is_refused_with_a_cookie_or_without(
    gateway: RunningGateway, auth: PagesStandIn, fields: tuple[str, ...], path: str
) -> None:
    auth.change = opened(1_000)
    for cookies in ((), (f"Cookie: {COOKIE}={UNKNOWN_HANDLE}",)):
        response = send(gateway, f"POST {path}", FORM, *fields, *cookies, body=BODY)
        assert (response.status, response.problem["code"]) == (403, "cross_site")
        assert response.get("set-cookie") is None
    assert auth.forms == 0


def test_a_log_in_replaces_the_session_of_the_cookie(gateway: RunningGateway, auth: PagesStandIn) -> None:
    """The old handle is refused at once, without another question to the auth service."""
    before = log_in_for_cookie(gateway)
    old_hash = hash_of(before.partition("=")[2])
    auth.change = opened(1_000)
    response = send(gateway, LOGIN, FORM, SAME_ORIGIN, before, body=BODY)
    assert auth.offer is not None
    assert auth.offer.current_hash == old_hash
    assert send(gateway, "GET /api/x", before).problem["code"] == "session_ended"
    assert send(gateway, "GET /api/x", cookie_of(response)).status == 200


@pytest.mark.parametrize("value", [UNKNOWN_HANDLE, "malformed"])
def test_a_log_in_with_the_cookie_of_an_ended_session_sets_the_new_one_only(
    gateway: RunningGateway, auth: PagesStandIn, value: str
) -> None:
    """The response would otherwise clear the cookie of the ended session, and with it the new one."""
    auth.change, auth.ended_seconds_ago = opened(1_000), 3_600.0
    response = send(gateway, LOGIN, FORM, SAME_ORIGIN, f"Cookie: {COOKIE}={value}", body=BODY)
    assert cookie_of(response) != f"Cookie: {COOKIE}="
    assert auth.authorization is None


def test_a_form_with_a_session_carries_its_token_and_a_log_out_clears_the_cookie(
    gateway: RunningGateway, auth: PagesStandIn
) -> None:
    cookie = log_in_for_cookie(gateway)
    auth.change = ENDED
    response = send(gateway, "POST /auth/account/log-out/", FORM, SAME_ORIGIN, cookie, body=b"x=1")
    assert auth.authorization is not None
    (cleared,) = response.get_all("set-cookie")
    assert cleared.startswith(f"{COOKIE}=;")
    assert send(gateway, "GET /api/x", cookie).problem["code"] == "session_ended"


@pytest.mark.parametrize(("status", "change"), [(200, opened(9)), (302, opened(9)), (303, ""), (303, "opened x")])
def test_any_other_response_leaves_the_cookie_alone(
    gateway: RunningGateway, auth: PagesStandIn, status: int, change: str
) -> None:
    auth.status, auth.change = status, change
    response = send(gateway, LOGIN, FORM, SAME_ORIGIN, body=BODY)
    assert (response.status, response.get("set-cookie")) == (status, None)
    assert response.get("x-session-change") is None


@pytest.mark.parametrize("change", [opened(1_000), ENDED])
def test_a_change_applies_to_its_own_response_only(gateway: RunningGateway, auth: PagesStandIn, change: str) -> None:
    """A later form on the same connection to the auth service may be that of another user, who stays logged in."""
    cookie = log_in_for_cookie(gateway)
    auth.change = change
    for _ in range(2):
        assert send(gateway, LOGIN, FORM, SAME_ORIGIN, body=BODY).get("set-cookie") is not None
        page = send(gateway, "POST /auth/register/", FORM, SAME_ORIGIN, cookie, body=BODY)
        assert (page.status, page.body, page.get("set-cookie")) == (400, b"page", None)
    assert send(gateway, "GET /api/x", cookie).status == 200


def test_only_a_form_of_a_page_can_change_the_cookie(gateway: RunningGateway, auth: PagesStandIn) -> None:
    auth.change = opened(1_000)
    response = send(gateway, "POST /auth/users/", FORM, SAME_ORIGIN, body=BODY)
    assert (response.status, response.get("set-cookie"), auth.offer) == (303, None, None)


def test_no_client_can_send_an_offer(gateway: RunningGateway, auth: PagesStandIn) -> None:
    send(gateway, "POST /auth/users/", "X-Session-Offer: forged", FORM, body=BODY)
    assert (auth.forms, auth.offer) == (1, None)


def test_a_service_other_than_the_auth_service_cannot_change_the_cookie(
    gateway: RunningGateway, upstream: RawUpstream
) -> None:
    change = f"X-Session-Change: {opened(9)}\r\n"
    upstream.begin(answering(f"HTTP/1.1 303 X\r\nLocation: /\r\n{change}Content-Length: 0\r\n\r\n".encode()))
    response = send(gateway, "GET /api/x", log_in_for_cookie(gateway))
    assert (response.status, response.get("set-cookie"), response.get("x-session-change")) == (303, None, None)
