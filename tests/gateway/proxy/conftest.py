"""A gateway in front of a WebSocket service, with short intervals and a clock that tests move."""

from collections.abc import Iterator

import pytest

from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import SigningKey, access_claims
from tests.gateway.browser import COOKIE, handle_in, log_in
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn
from tests.gateway.stand_ins.websocket_service import WebSocketService, websocket_service

CLOSE_TIMEOUT = 0.5
"""Seconds that a closing WebSocket has in these tests."""


@pytest.fixture(scope="module")
def short_intervals() -> Iterator[None]:
    """Streams are checked 20 times a second, and WebSockets have half a second to close."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.proxy.open_streams.CHECK_INTERVAL", 0.05)
        patch.setattr("gateway.proxy.websocket_relay.CLOSE_TIMEOUT", CLOSE_TIMEOUT)
        yield


@pytest.fixture(scope="module")
def shifted_clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture(scope="module")
def shared_service(short_intervals: None) -> Iterator[WebSocketService]:
    with websocket_service(max_size=None) as served:
        yield served


@pytest.fixture
def service(shared_service: WebSocketService) -> WebSocketService:
    """A WebSocket service that echoes, with nothing recorded yet."""
    shared_service.begin()
    return shared_service


@pytest.fixture(scope="module")
def websocket_gateway(
    make_app: MakeApp, shifted_clock: ShiftedClock, shared_service: WebSocketService
) -> Iterator[RunningGateway]:
    """A gateway in front of the WebSocket service."""
    with running(make_app(shifted_clock, RESOURCE_URL=shared_service.url)) as served:
        yield served


@pytest.fixture(scope="module")
def raw_gateway(
    make_app: MakeApp, shifted_clock: ShiftedClock, shared_upstream: RawUpstream, short_intervals: None
) -> Iterator[RunningGateway]:
    """A gateway on the same clock, in front of the scripted upstream."""
    with running(make_app(shifted_clock)) as served:
        yield served


@pytest.fixture
def authorization(signing_key: SigningKey, shifted_clock: ShiftedClock) -> dict[str, str]:
    """The Authorization header of a session that no other test has."""
    now = shifted_clock()
    return {"Authorization": f"Bearer {signing_key.sign(access_claims(now, sid=f's-{now}', jti=f'j-{now}'))}"}


@pytest.fixture
def session(
    make_app: MakeApp, signing_key: SigningKey, service: WebSocketService, shifted_clock: ShiftedClock
) -> Iterator[tuple[RunningGateway, AuthStandIn, str]]:
    """A gateway, its auth service, and the cookie of a logged-in browser."""
    auth, auth_upstream = AuthStandIn(signing_key, shifted_clock), RawUpstream()
    auth_upstream.begin(auth.answer)
    urls = {"AUTH_URL": auth_upstream.url, "RESOURCE_URL": service.url, "ALLOWED_ORIGINS": "https://app.example"}
    with running(make_app(shifted_clock, **urls)) as gateway:
        yield gateway, auth, f"{COOKIE}={handle_in(log_in(gateway))}"
    auth_upstream.stop()
