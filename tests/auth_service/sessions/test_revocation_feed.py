"""The revocation feed: every ended session is published, and again if the feed may lack it."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from auth_service.events.account_events import EndReason, SessionEnded
from auth_service.events.client import UNKNOWN_CLIENT
from auth_service.redis_client import FAILURES, RedisUnavailable
from auth_service.services import Services, services
from auth_service.sessions.revocation_feed import RevocationFeed
from contract.revocation import COMPLETENESS_QUERIES, EPOCH, STREAM, Revocation, completeness_reply, read_revocation
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock
from tests.redis_topologies import needs_own_valkey


def feed_of(redis: Redis) -> list[Revocation]:
    entries: Any = redis.xrange(STREAM)
    return [read_revocation(fields) for _, fields in entries]


def sid_of(person: Person) -> str:
    return str(claims_of(person.refresh)["sid"])


def republish(parts: Services) -> bool:
    """Run the republishing job once; return whether it published anything."""
    return bool(parts.republishing.run_once())


def becomes_true(condition: Callable[[], object]) -> bool:
    """Wait at most five seconds until the condition is true, for real servers and threads; return whether it is."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_session_is_published_however_it_ends(ann: Person, redis: Redis, clock: MovableClock) -> None:
    """After a log-out, a password change, a replay and a deletion of the account.

    The last field is the expiry of the session's last access token, plus at most a minute of padding, rounded up.
    """
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    first = sid_of(ann)
    ann.log_out()
    assert feed_of(redis) == [Revocation("sid", first, int(clock()), int(clock()) + 361)]
    ann.log_in()
    ann.set_password("N3wPassw0rd!!")
    assert feed_of(redis)[1:] == [Revocation("sid", sid_of(elsewhere), int(clock()), int(clock()) + 361)]
    used = ann.refresh
    ann.refresh_tokens()
    ann.me()
    clock.move(60)
    ann.refresh_with(used)
    assert feed_of(redis)[2:] == [Revocation("sid", sid_of(ann), int(clock()), int(clock()) + 301)]
    ann.password = "N3wPassw0rd!!"
    ann.log_in()
    ann.call("DELETE", "/auth/users/me/", json={"current_password": ann.password})
    assert feed_of(redis)[3:] == [Revocation("sid", sid_of(ann), int(clock()), int(clock()) + 361)]


def test_a_new_process_publishes_what_a_former_one_may_not_have_published(
    ann: Person, redis: Redis, parts: Services
) -> None:
    ann.log_out()
    redis.delete(STREAM)
    assert republish(parts)
    assert [record.value for record in feed_of(redis)] == [sid_of(ann)]
    assert redis.exists(EPOCH)
    assert not republish(parts), "the second run has nothing to publish"


def test_after_a_failover_revocations_are_republished_although_the_epoch_exists(
    ann: Person, redis: Redis, parts: Services
) -> None:
    """The new primary has the epoch of the old one, and may lack its last revocations."""
    republish(parts)
    ann.log_out()
    redis.delete(STREAM)
    assert not republish(parts), "the epoch names this server"
    redis.set(EPOCH, "run id of the old primary")
    assert republish(parts)
    assert [record.value for record in feed_of(redis)] == [sid_of(ann)]
    assert not republish(parts)


def test_after_redis_was_emptied_revocations_are_republished_and_no_token_becomes_valid(
    ann: Person, bob: Person, redis: Redis, parts: Services, clock: MovableClock
) -> None:
    republish(parts)
    used = bob.refresh
    bob.refresh_tokens()
    bob.refresh_tokens()
    ann.log_out()
    redis.flushall()
    assert ann.refresh_tokens().status_code == 401
    assert republish(parts)
    assert sid_of(ann) in [record.value for record in feed_of(redis)]
    clock.move(60)
    assert bob.refresh_with(used).status_code == 401


def test_a_revocation_of_expired_tokens_is_not_republished(
    ann: Person, bob: Person, redis: Redis, parts: Services, clock: MovableClock
) -> None:
    ann.log_out()
    clock.move(371)  # lifetime 300 s, padding 60 s, leeway of the gateway 10 s, and one
    bob.log_in()
    bob.log_out()
    redis.flushall()
    assert republish(parts)
    assert [record.value for record in feed_of(redis)] == [sid_of(bob)]


def test_the_feed_is_trimmed_by_the_clock_of_redis(redis: Redis, parts: Services) -> None:
    """A clock of this process that is ten years ahead deletes no record that is needed."""
    redis.xadd(STREAM, {"kind": "sid", "value": "old", "at": "1", "until": "301"}, id="1-1")
    for number in range(200):
        redis.xadd(STREAM, {"kind": "sid", "value": f"old{number}", "at": "1", "until": "301"}, id=f"{number + 2}-1")
    # A record is needed for `until - at` seconds after the time in its id (milliseconds): here 1,200, of which 1,000
    # have passed. Trimming stops at the first needed record, so the one behind it stays.
    needed = int(time.time() - 1_000) * 1000
    wanted = Revocation("sid", "wanted", 1, 1_201).to_fields()
    redis.xadd(STREAM, dict(wanted.items()), id=f"{needed}-1")
    redis.xadd(STREAM, {"kind": "sid", "value": "behind it", "at": "1", "until": "2"}, id=f"{needed}-2")
    ahead = RevocationFeed(parts.redis, parts.sessions, clock=lambda: time.time() + 315_360_000)
    now = time.time()
    ahead.publish([SessionEnded(now, uuid4(), UNKNOWN_CLIENT, "new", EndReason.LOGOUT, now + 60, now + 30)])
    assert [record.value for record in feed_of(redis)] == ["wanted", "behind it", "new"]


@needs_own_valkey
def test_a_revocation_that_could_not_be_published_is_published_later(
    make_app: MakeApp, redis: Redis, valkey: str, tmp_path: Path, ann: Person
) -> None:
    """A log-out while Redis is down is stored at once and published when Redis is back."""
    link = tmp_path / "redis"
    app = make_app(REDIS_URL=f"unix://{link}")
    person = Person(app.test_client(), ann.email)
    person.log_in()
    with app.app_context():
        parts = services()
    assert not republish(parts)
    assert person.log_out().status_code == 200
    link.symlink_to(valkey.removeprefix("unix://"))
    assert becomes_true(lambda: republish(parts))
    assert sid_of(person) in [record.value for record in feed_of(redis)]


def test_the_background_thread_publishes_and_stops(ann: Person, redis: Redis, parts: Services) -> None:
    others = set(threading.enumerate())
    ann.log_out()
    redis.flushall()
    parts.republishing.start()
    assert becomes_true(lambda: redis.exists(EPOCH))
    (thread,) = {thread for thread in threading.enumerate() if thread.name == "republishing"} - others
    parts.republishing.stop()
    assert not thread.is_alive()
    assert [record.value for record in feed_of(redis)] == [sid_of(ann)]


def test_a_deactivation_by_an_operator_is_published(ann: Person, redis: Redis, operator: Operator) -> None:
    operator.deactivate(ann.email)
    assert [record.value for record in feed_of(redis)] == [sid_of(ann)]


def test_a_completeness_query_is_answered_after_all_pending_revocations(
    ann: Person, redis: Redis, parts: Services, clock: MovableClock
) -> None:
    """A gateway with REVOCATION_FAIL=closed waits for the reply. Only one run writes it."""
    republish(parts)
    ann.log_out()
    redis.delete(STREAM)  # the published records are lost, but not the epoch
    assert not republish(parts)
    redis.sadd(COMPLETENESS_QUERIES, "a" * 32, "b" * 32)
    assert republish(parts)
    entries: Any = redis.xrange(STREAM)
    assert [fields["value"] for _, fields in entries] == [sid_of(ann), "a" * 32, "b" * 32]
    assert entries[1][1] == completeness_reply("a" * 32, int(clock()))
    assert not redis.exists(COMPLETENESS_QUERIES)
    assert not republish(parts)


@needs_own_valkey
def test_the_background_job_tries_redis_while_the_circuit_is_open(
    make_app: MakeApp, valkey: str, tmp_path: Path
) -> None:
    """Only requests fail fast while the circuit is open; pending revocations do not wait for it."""
    link = tmp_path / "redis"
    app = make_app(REDIS_URL=f"unix://{link}")
    with app.app_context():
        parts = services()
    for _ in range(2 * FAILURES):
        assert not republish(parts)
    with pytest.raises(RedisUnavailable):
        parts.redis.call(lambda server: server.ping())
    link.symlink_to(valkey.removeprefix("unix://"))
    assert republish(parts)
    assert parts.redis.call(lambda server: server.ping())
