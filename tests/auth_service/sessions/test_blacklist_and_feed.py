"""What Redis is told, what it spares SQL, and what goes on without it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from auth_service.events.account_events import EndReason, SessionEnded
from auth_service.events.client import UNKNOWN_CLIENT
from auth_service.redis_client import FAILURES, RedisClient, RedisUnavailable
from auth_service.services import Services, services
from auth_service.sessions.blacklist import ENDED, Blacklist
from auth_service.sessions.revocation_feed import RevocationFeed
from contract.revocation import EPOCH, QUERIES, STREAM, Revocation, complete_fields, read_revocation
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock


def feed_of(redis: Redis) -> list[Revocation]:
    entries: Any = redis.xrange(STREAM)
    return [read_revocation(fields) for _, fields in entries]


def sid_of(person: Person) -> str:
    return str(claims_of(person.refresh)["sid"])


def republished(parts: Services) -> bool:
    """Whether a look of the background thread published anything; it is the thread's own code, called here."""
    return bool(parts.republishing.work_once())


def test_a_refresh_leaves_one_entry_however_often_it_is_done(
    ann: Person, parts: Services, redis: Redis, clock: MovableClock
) -> None:
    """Of the last one Redis learns with the next question, or by the thread that looks twice a second."""
    for _ in range(30):
        ann.refresh_tokens()
        clock.move(60)
    assert redis.get(f"blacklist:{sid_of(ann)}") == "28"
    republished(parts)
    assert redis.keys("blacklist:*") == [f"blacklist:{sid_of(ann)}"]
    assert redis.get(f"blacklist:{sid_of(ann)}") == "29"
    ttl = redis.ttl(f"blacklist:{sid_of(ann)}")
    assert ttl == pytest.approx(15_552_000, abs=5)


def test_the_entry_of_an_ended_session_lives_as_long_as_its_tokens_would(ann: Person, redis: Redis) -> None:
    ann.log_out()
    assert redis.get(f"blacklist:{sid_of(ann)}") == ENDED
    assert redis.ttl(f"blacklist:{sid_of(ann)}") == pytest.approx(31_536_000, abs=5)


def test_a_flood_of_dead_tokens_never_reaches_sql(
    ann: Person, parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.log_out()

    def unreachable(*_: object) -> None:
        raise AssertionError("SQL was asked")

    monkeypatch.setattr(parts.sessions, "find", unreachable)
    monkeypatch.setattr(parts.users, "_database", None)
    for _ in range(3):
        assert ann.refresh_tokens().status_code == 401
        assert ann.log_out().status_code == 401
        assert ann.verify(ann.refresh).status_code == 400


def test_every_way_a_session_ends_is_published(ann: Person, redis: Redis, clock: MovableClock) -> None:
    """R16."""
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    first = sid_of(ann)
    ann.log_out()
    assert feed_of(redis) == [Revocation("sid", first, int(clock()), int(clock()) + 361)]
    ann.log_in()
    ann.set_password("N3wPassw0rd!!")
    assert feed_of(redis)[1:] == [Revocation("sid", sid_of(elsewhere), int(clock()), int(clock()) + 361)]
    spent = ann.refresh
    ann.refresh_tokens()
    ann.me()
    clock.move(60)
    ann.refresh_with(spent)
    assert feed_of(redis)[2:] == [Revocation("sid", sid_of(ann), int(clock()), int(clock()) + 301)]
    ann.password = "N3wPassw0rd!!"
    ann.log_in()
    ann.call("DELETE", "/auth/users/me/", json={"current_password": ann.password})
    assert feed_of(redis)[3:] == [Revocation("sid", sid_of(ann), int(clock()), int(clock()) + 361)]


def test_a_process_that_starts_publishes_what_the_one_before_it_may_have_owed(
    ann: Person, redis: Redis, parts: Services
) -> None:
    ann.log_out()
    redis.delete(STREAM)
    assert republished(parts)
    assert [record.value for record in feed_of(redis)] == [sid_of(ann)]
    assert redis.exists(EPOCH)
    assert not republished(parts), "once is enough"


def test_an_emptied_redis_is_filled_again_and_revives_nothing(
    ann: Person, bob: Person, redis: Redis, parts: Services, clock: MovableClock
) -> None:
    """R18."""
    republished(parts)
    spent = bob.refresh
    bob.refresh_tokens()
    bob.refresh_tokens()
    ann.log_out()
    redis.flushall()
    assert ann.refresh_tokens().status_code == 401
    assert republished(parts)
    assert sid_of(ann) in [record.value for record in feed_of(redis)]
    clock.move(60)
    assert bob.refresh_with(spent).status_code == 401


def test_what_no_token_can_outlive_is_not_published_again(
    ann: Person, bob: Person, redis: Redis, parts: Services, clock: MovableClock
) -> None:
    ann.log_out()
    clock.move(371)
    bob.log_in()
    bob.log_out()
    redis.flushall()
    assert republished(parts)
    assert [record.value for record in feed_of(redis)] == [sid_of(bob)]


def test_the_feed_forgets_what_nobody_needs_and_not_by_our_clock(redis: Redis, parts: Services) -> None:
    """Trimmed by the times that Redis gave its entries: a clock of ours ten years ahead empties nothing."""
    redis.xadd(STREAM, {"kind": "sid", "value": "old", "at": "1", "until": "301"}, id="1-1")
    for number in range(200):
        redis.xadd(STREAM, {"kind": "sid", "value": f"old{number}", "at": "1", "until": "301"}, id=f"{number + 2}-1")
    needed = int(time.time() - 1_000) * 1000
    wanted = Revocation("sid", "wanted", 1, 1_201).to_fields()
    redis.xadd(STREAM, dict(wanted.items()), id=f"{needed}-1")
    redis.xadd(STREAM, {"kind": "sid", "value": "behind it", "at": "1", "until": "2"}, id=f"{needed}-2")
    ahead = RevocationFeed(parts.redis, parts.sessions, clock=lambda: time.time() + 315_360_000)
    now = time.time()
    ahead.publish([SessionEnded(now, uuid4(), UNKNOWN_CLIENT, "new", EndReason.LOGOUT, now + 60, now + 30)])
    assert [record.value for record in feed_of(redis)] == ["wanted", "behind it", "new"]


@pytest.fixture
def no_redis(tmp_path: Path) -> str:
    """Nobody listens there."""
    return f"unix://{tmp_path}/nobody"


@pytest.fixture
def hung_redis(tmp_path: Path) -> Iterator[str]:
    """A server that accepts connections and says nothing."""
    path = str(tmp_path / "hung")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        yield f"unix://{path}"


def test_without_redis_everything_goes_on_from_sql(make_app: MakeApp, no_redis: str, clock: MovableClock) -> None:
    client = make_app(REDIS_URL=no_redis).test_client()
    person = Person(client)
    person.register()
    assert person.log_in().status_code == 200
    spent = person.refresh
    assert person.refresh_tokens().status_code == 200
    assert person.refresh_tokens().status_code == 200
    assert person.verify(person.refresh).status_code == 200
    assert person.me().status_code == 200
    clock.move(60)
    assert person.refresh_with(spent).status_code == 401
    assert person.me().status_code == 401
    person.log_in()
    assert person.log_out().status_code == 200
    assert person.refresh_tokens().status_code == 401
    assert client.get("/readyz").json == {"status": "ready", "degraded": ["redis"]}


def test_a_hung_redis_costs_a_few_tenths_of_a_second_and_then_nothing(make_app: MakeApp, hung_redis: str) -> None:
    """100 ms a command until the third failure; then the breaker spares the rest for a second or two."""
    person = Person(make_app(REDIS_URL=hung_redis).test_client())
    person.register()
    person.log_in()
    for _ in range(2):
        person.refresh_tokens()
    began = time.monotonic()
    for _ in range(40):
        assert person.refresh_tokens().status_code == 200
    assert time.monotonic() - began < 3  # every one of them at 100 ms would be more than 4


def test_what_could_not_be_published_is_owed(
    make_app: MakeApp, redis: Redis, valkey: str, tmp_path: Path, ann: Person
) -> None:
    """A logout while Redis is away is recorded at once, and told as soon as it is back."""
    link = tmp_path / "redis"
    app = make_app(REDIS_URL=f"unix://{link}")
    person = Person(app.test_client(), ann.email)
    person.log_in()
    with app.app_context():
        parts = services()
    assert not republished(parts)
    assert person.log_out().status_code == 200
    link.symlink_to(valkey.removeprefix("unix://"))
    assert eventually(lambda: republished(parts))
    assert sid_of(person) in [record.value for record in feed_of(redis)]


def eventually(condition: Callable[[], object]) -> bool:
    """Whether the condition holds within five seconds: for what real servers and threads do in their own time."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_breaker_opens_after_three_failures_and_closes_with_the_first_answer(
    no_redis: str, valkey: str, redis: Redis
) -> None:
    clock = MovableClock()
    link = RedisClient(no_redis, clock=clock)
    asked = 0

    def ping(server: Redis) -> object:
        nonlocal asked
        asked += 1
        return (redis if recovered else server).ping()

    recovered = False
    for _ in range(FAILURES + 3):
        with pytest.raises(RedisUnavailable):
            link.ask(ping)
    assert asked == FAILURES
    recovered = True
    clock.move(2)
    assert link.ask(ping)
    assert link.ask(ping)
    link.close()


def test_a_blacklist_entry_that_is_no_entry_of_ours_is_not_believed(parts: Services, redis: Redis) -> None:
    redis.set("blacklist:x", "garbage")
    blacklist = Blacklist(parts.redis)
    assert not blacklist.has_ended("x")
    assert not blacklist.is_spent("x", 0)


def test_the_background_thread_publishes_and_stops(ann: Person, redis: Redis, parts: Services) -> None:
    others = set(threading.enumerate())
    ann.log_out()
    redis.flushall()
    parts.republishing.start()
    assert eventually(lambda: redis.exists(EPOCH))
    (thread,) = {thread for thread in threading.enumerate() if thread.name == "republishing"} - others
    parts.republishing.stop()
    assert not thread.is_alive()
    assert [record.value for record in feed_of(redis)] == [sid_of(ann)]


def test_a_deactivation_by_an_operator_is_published(ann: Person, redis: Redis, operator: Operator) -> None:
    operator.deactivate(ann.email)
    assert [record.value for record in feed_of(redis)] == [sid_of(ann)]


def test_a_gateway_that_asks_is_answered_behind_all_that_was_owed(
    ann: Person, redis: Redis, parts: Services, clock: MovableClock
) -> None:
    """REVOCATION_FAIL=closed waits for this record, which one process writes, whichever of them owed."""
    republished(parts)
    ann.log_out()
    redis.delete(STREAM)  # what was published is lost, and the epoch is not
    assert not republished(parts)
    redis.sadd(QUERIES, "a" * 32, "b" * 32)
    assert republished(parts)
    entries: Any = redis.xrange(STREAM)
    assert [fields["value"] for _, fields in entries] == [sid_of(ann), "a" * 32, "b" * 32]
    assert entries[1][1] == complete_fields("a" * 32, int(clock()))
    assert not redis.exists(QUERIES)
    assert not republished(parts)


def test_the_background_finds_redis_again_however_silent_it_was(
    make_app: MakeApp, valkey: str, tmp_path: Path
) -> None:
    """The breaker spares requests; what is owed does not wait for it."""
    link = tmp_path / "redis"
    app = make_app(REDIS_URL=f"unix://{link}")
    with app.app_context():
        parts = services()
    for _ in range(2 * FAILURES):
        assert not republished(parts)
    with pytest.raises(RedisUnavailable):
        parts.redis.ask(lambda server: server.ping())
    link.symlink_to(valkey.removeprefix("unix://"))
    assert republished(parts)
    assert parts.redis.ask(lambda server: server.ping())
