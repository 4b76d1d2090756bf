"""The blacklist: its entries, and the refresh tokens that it refuses without SQL."""

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import event

from auth_service.services import Services
from auth_service.sessions.blacklist import ENDED, Blacklist
from auth_service.storage.models import db
from tests.auth_service.forge import claims_of
from tests.auth_service.world import Person
from tests.clocks import MovableClock


def sid_of(person: Person) -> str:
    return str(claims_of(person.refresh)["sid"])


REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME = 180 * 86_400, 365 * 86_400
"""The default idle and absolute lifetimes of a session, in seconds."""


def republish(parts: Services) -> bool:
    """Run the republishing job once; return whether it published anything."""
    return bool(parts.republishing.run_once())


def test_a_session_has_one_entry_however_often_it_is_refreshed(
    ann: Person, parts: Services, redis: Redis, clock: MovableClock
) -> None:
    """Writes wait in memory for the next read of Redis, or for the republishing job: the last one is pending.

    After 30 refreshes the lowest valid generation is 29: the newest token is confirmed only when it is used.
    """
    for _ in range(30):
        ann.refresh_tokens()
        clock.move(60)
    assert redis.get(f"blacklist:{sid_of(ann)}") == "28"
    republish(parts)
    assert list(redis.scan_iter("blacklist:*")) == [f"blacklist:{sid_of(ann)}"]
    assert redis.get(f"blacklist:{sid_of(ann)}") == "29"
    ttl = redis.ttl(f"blacklist:{sid_of(ann)}")
    assert ttl == pytest.approx(REFRESH_TOKEN_LIFETIME, abs=5)


def test_the_entry_of_an_ended_session_expires_at_its_absolute_end(ann: Person, redis: Redis) -> None:
    ann.log_out()
    assert redis.get(f"blacklist:{sid_of(ann)}") == ENDED
    assert redis.ttl(f"blacklist:{sid_of(ann)}") == pytest.approx(SESSION_LIFETIME, abs=5)


def test_the_refresh_token_of_an_ended_session_is_refused_without_sql(app: Flask, ann: Person) -> None:
    ann.log_out()
    statements: list[object] = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *details: statements.append(details[2]))
    for _ in range(3):
        assert ann.refresh_tokens().status_code == 401
        assert ann.log_out().status_code == 401
        assert ann.verify(ann.refresh).status_code == 400
    assert statements == []
    assert ann.me().status_code == 401
    assert statements, "the listener does record statements"


def test_a_malformed_blacklist_entry_is_ignored(parts: Services, redis: Redis) -> None:
    redis.set("blacklist:x", "garbage")
    blacklist = Blacklist(parts.redis)
    assert not blacklist.has_ended("x")
    assert not blacklist.is_used_or_ended("x", 0)
