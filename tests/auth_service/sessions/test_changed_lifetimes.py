"""Lifetimes that are changed while sessions are live: an ended session stays ended, and a live one stays live.

Each test restarts the service with other settings on the same database. Real modules of the gateway read its feed.
"""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis

from auth_service.services import services
from chassis.redis_clients import async_redis_client
from contract.claims import LEEWAY
from contract.revocation import EPOCH, STREAM
from gateway.suspendable import run
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.worker.background_tasks import BackgroundTasks
from tests.all_cases import ALL_CASES
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_in_front import GatewayInFront
from tests.auth_service.world import Person
from tests.clocks import MovableClock

LIFETIMES = {
    "ACCESS_TOKEN_LIFETIME": ("5", "300", "3600"),
    "REFRESH_TOKEN_LIFETIME": ("20", "7200", "15552000"),
    "SESSION_LIFETIME": ("20", "7200", "31536000"),
    "REFRESH_GRACE": ("0", "10", "600"),
}
CHANGES = [
    (name, before, after)
    for name, (shortest, usual, longest) in LIFETIMES.items()
    for before, after in itertools.permutations((shortest, usual, longest) if ALL_CASES else (shortest, longest), 2)
]
"""`make test` has the greatest change of each lifetime, in both directions."""

End = Callable[[Person, Flask], object]


def log_out(person: Person, app: Flask) -> object:
    return person.log_out()


def change_password(person: Person, app: Flask) -> object:
    """Change the password on another device, which ends this device's session."""
    other = Person(person.client, person.email)
    other.log_in()
    return other.set_password("N3wPassw0rd!!")


def deactivate(person: Person, app: Flask) -> object:
    with app.app_context():
        user = services().users.find_by_email(person.email)
        assert user
        return services().users.deactivate(user, services().clock())


def read_feed(gateway: GatewayInFront, clock: MovableClock, redis_url: str) -> None:
    """Make the gateway read the whole feed and drop the records that it no longer needs."""

    async def read() -> None:
        redis = async_redis_client(redis_url, decode_responses=True)
        feed = RevocationFeed(redis, gateway.revocations, clock)
        jobs = BackgroundTasks([feed.follow])
        jobs.start()
        async with asyncio.timeout(5):
            while not feed.loaded:  # noqa: ASYNC110 - waits for a real server
                await asyncio.sleep(0.005)
        await jobs.stop()
        await redis.aclose()

    asyncio.run(read())
    gateway.revocations.evict_expired(clock())


@pytest.mark.parametrize(
    ("name", "before", "after", "end"),
    [
        *((*change, log_out) for change in CHANGES),
        ("ACCESS_TOKEN_LIFETIME", "3600", "5", change_password),
        ("ACCESS_TOKEN_LIFETIME", "3600", "5", deactivate),
    ],
)
def test_tokens_of_an_ended_session_are_refused_until_they_expire(
    make_app: MakeApp,
    redis: Redis,
    valkey: str,
    clock: MovableClock,
    tmp_path: Path,
    name: str,
    before: str,
    after: str,
    end: End,
) -> None:
    """By gateways that keep running, by new ones, and after Redis was emptied."""
    issuing_app = make_app(**{name: before})
    person = Person(issuing_app.test_client())
    person.register()
    person.log_in()
    expires_at = claims_of(person.access)["exp"]
    running = GatewayInFront(issuing_app.test_client(), clock, valkey, tmp_path)
    assert running.get("/api/x", access=person.access).status == 200
    restarted_app = make_app(**{name: after})
    person.client = restarted_app.test_client()
    end(person, restarted_app)
    with restarted_app.app_context():
        republishing = services().republishing
    # At once, after the grace time, within and after the default lifetime of 5 minutes, and shortly before an hour.
    for seconds in (0.0, 12.0, 240.0, 1_000.0, 2_300.0):
        clock.move(seconds)
        if clock() >= expires_at + LEEWAY:
            break
        for emptied in (False, True):
            if emptied:
                redis.delete(STREAM, EPOCH)
                republishing.run_once()
            starting = GatewayInFront(restarted_app.test_client(), clock, valkey, tmp_path)
            for gateway in (running, starting):
                read_feed(gateway, clock, valkey)
                refused = gateway.get("/api/x", access=person.access)
                assert (refused.status, refused.code) == (401, "token_revoked")
        assert person.refresh_tokens().status_code == 401
        assert person.me().status_code == 401


@pytest.mark.parametrize(("name", "before", "after"), CHANGES)
def test_a_changed_lifetime_ends_no_live_session(
    make_app: MakeApp, clock: MovableClock, valkey: str, tmp_path: Path, name: str, before: str, after: str
) -> None:
    issuing = make_app(**{name: before})
    person = Person(issuing.test_client())
    person.register()
    person.log_in()
    restarted = make_app(**{name: after})
    person.client = restarted.test_client()
    clock.move(4)
    gateway = GatewayInFront(restarted.test_client(), clock, valkey, tmp_path)
    assert gateway.get("/api/x", access=person.access).status == 200
    assert person.me().status_code == 200
    for _ in range(3):
        clock.move(4)
        assert person.refresh_tokens().status_code == 200
        assert gateway.get("/api/x", access=person.access).status == 200


def test_a_browser_session_stays_revoked_under_a_longer_lifetime(
    make_app: MakeApp, redis: Redis, valkey: str, clock: MovableClock, tmp_path: Path
) -> None:
    """An exchange shortly after another does not record its use, but its token may live longer than earlier ones."""
    short_app = make_app(ACCESS_TOKEN_LIFETIME="5")
    Person(short_app.test_client()).register()
    handle = GatewayInFront(short_app.test_client(), clock, valkey, tmp_path).log_in(
        "ann@example.org", "Tr0ub4dor&3x"
    )
    long_client = make_app(ACCESS_TOKEN_LIFETIME="3600").test_client()
    gateway = GatewayInFront(long_client, clock, valkey, tmp_path)
    clock.move(1)
    assert gateway.get("/api/x", handle=handle).status == 200
    access = asyncio.run(run(gateway.sessions.get_grant(handle))).access
    restarted_gateway = GatewayInFront(make_app(ACCESS_TOKEN_LIFETIME="5").test_client(), clock, valkey, tmp_path)
    asyncio.run(restarted_gateway.sessions.log_out(handle))
    clock.move(3_000)
    read_feed(restarted_gateway, clock, valkey)
    assert restarted_gateway.get("/api/x", access=access).code == "token_revoked"
