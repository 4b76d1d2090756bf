"""A gateway in development, with a test double of the auth service."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.clocks import ShiftedClock
from tests.gateway.access_tokens import SigningKey
from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse, single_request
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.auth_service import AuthStandIn, serving


@dataclass(frozen=True, slots=True)
class Development:
    """A gateway in development, its auth service and its clock."""

    gateway: RunningGateway
    auth: AuthStandIn
    clock: ShiftedClock

    def request(self, line: str, *fields: str, body: bytes = b"") -> RawResponse:
        """Send one request on a connection of its own."""
        length = [f"Content-Length: {len(body)}"] if body else []
        return single_request(self.gateway.port, f"{line} HTTP/1.1", "Host: gateway", *fields, *length, body=body)

    def turn_on(self, body: bytes) -> RawResponse:
        """Switch a fault on."""
        return self.request("POST /development/faults", "Content-Type: application/json", body=body)

    def bearer(self) -> str:
        """Return the Authorization field of a valid token."""
        return f"Authorization: Bearer {self.auth.access()}"


@pytest.fixture(scope="module")
def shared_development(
    make_app: MakeApp, signing_key: SigningKey, shared_upstream: RawUpstream
) -> Iterator[Development]:
    clock = ShiftedClock()
    auth = AuthStandIn(signing_key, clock)
    with (
        serving(auth) as server,
        running(make_app(clock, AUTH_URL=server.url, DEVELOPMENT="on")) as gateway,
    ):
        yield Development(gateway, auth, clock)


@pytest.fixture
def development(shared_development: Development, upstream: RawUpstream) -> Iterator[Development]:
    """A gateway in development, without faults."""
    yield shared_development
    shared_development.request("DELETE /development/faults")
