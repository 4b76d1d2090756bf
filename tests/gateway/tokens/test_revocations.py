"""What has ended, held in memory and fed by a real server that restarts, empties and comes back (R10, R16, R18)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from structlog.testing import capture_logs

from contract.problems import Refused
from contract.revocation import ASKED, STREAM, Revocation, complete_fields
from gateway.tokens.revocations import FEED_LIMIT, MOST_FORGOTTEN, RevocationFeed, Revocations
from gateway.worker.background_tasks import BackgroundTasks
from tests.clocks import MovableClock
from tests.gateway.access_tokens import read_claims
from tests.gateway.raw_upstream import WAIT
from tests.gateway.valkey import Valkey, valkey_server

NOW = 1_800_000_000
LIFETIME = 300


@pytest.fixture
def revocations() -> Revocations:
    return Revocations(fail_closed=False)


def revoked(kind: Literal["sid", "sub"], value: str, at: int) -> Revocation:
    """A revocation that has to be remembered for LIFETIME."""
    return Revocation(kind, value, at, at + LIFETIME)


def is_refused(revocations: Revocations, now: float = NOW, **claims: object) -> bool:
    """Whether a token with these claims was revoked."""
    try:
        revocations.check(read_claims(**claims), now)
    except Refused as refused:
        return refused.code == "token_revoked"
    return False


# --- in memory -----------------------------------------------------------------------------------------------------


def test_a_revoked_session_ends_whenever_its_tokens_were_issued(revocations: Revocations) -> None:
    revocations.add(revoked("sid", "ada-session", NOW))
    assert is_refused(revocations, issued_at=NOW - 100)
    assert is_refused(revocations, issued_at=NOW + 100)
    assert not is_refused(revocations, session="another")


def test_a_revoked_subjects_later_tokens_are_good(revocations: Revocations) -> None:
    """After a change of password one logs in again; within the same second is too early to tell."""
    revocations.add(revoked("sub", "ada-id", NOW))
    assert is_refused(revocations, issued_at=NOW - 1)
    assert is_refused(revocations, issued_at=NOW)
    assert not is_refused(revocations, issued_at=NOW + 1)
    assert not is_refused(revocations, subject="bob-id", issued_at=NOW - 1)


def test_a_sessions_name_is_not_a_subjects(revocations: Revocations) -> None:
    revocations.add(revoked("sub", "ada-session", NOW))
    revocations.add(revoked("sid", "ada-id", NOW))
    assert not is_refused(revocations)


def test_order_and_repetition_change_nothing(revocations: Revocations) -> None:
    for at in (NOW, NOW - 50, NOW):
        revocations.add(revoked("sub", "ada-id", at))
    assert is_refused(revocations, issued_at=NOW)
    assert len(revocations) == 1


def test_what_no_token_can_outlive_is_forgotten(revocations: Revocations) -> None:
    revocations.add(revoked("sid", "ada-session", NOW))
    revocations.add(revoked("sub", "ada-id", NOW))
    revocations.forget(NOW + LIFETIME + 10)
    assert len(revocations) == 2
    revocations.forget(NOW + LIFETIME + 11)
    assert len(revocations) == 0


def test_what_was_revoked_again_is_forgotten_by_the_later_time(revocations: Revocations) -> None:
    revocations.add(revoked("sub", "ada-id", NOW))
    revocations.add(revoked("sub", "ada-id", NOW + 100))
    revocations.forget(NOW + LIFETIME + 11)
    assert is_refused(revocations, issued_at=NOW + 100)
    revocations.forget(NOW + LIFETIME + 111)
    assert len(revocations) == 0


def test_a_crowd_is_forgotten_little_by_little_and_in_the_order_of_time(revocations: Revocations) -> None:
    """No request waits for it; and one that was dated wrongly keeps nothing else."""
    revocations.add(revoked("sid", "from the future", NOW + 1_000_000))
    for number in range(MOST_FORGOTTEN + 2):
        revocations.add(revoked("sid", f"session-{number}", NOW - number))
    revocations.forget(NOW + LIFETIME + 11)
    assert len(revocations) == 3
    assert is_refused(revocations, session="session-0")
    revocations.forget(NOW + LIFETIME + 11)
    assert len(revocations) == 1


def test_fail_closed_is_503_once_the_feed_is_silent_for_too_long() -> None:
    """Never 401: a client would drop a good token for our fault."""
    revocations = Revocations(fail_closed=True)
    with pytest.raises(Refused) as refused:
        revocations.check(read_claims(), NOW)
    assert refused.value.status == 503
    revocations.heard(NOW)
    revocations.check(read_claims(), NOW + FEED_LIMIT)
    with pytest.raises(Refused):
        revocations.check(read_claims(), NOW + FEED_LIMIT + 0.1)


def test_fail_open_goes_on(revocations: Revocations) -> None:
    revocations.heard(NOW)
    revocations.check(read_claims(), NOW + 1_000_000)


# --- fed by a server -----------------------------------------------------------------------------------------------


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with valkey_server() as server:
        yield server


def publish(valkey: Valkey, *sessions: str, at: int = NOW, **more: str) -> None:
    """As the auth service does."""
    with Redis.from_url(valkey.url) as redis:
        for session in sessions:
            redis.xadd(STREAM, {**revoked("sid", session, at).to_fields(), **more})


@asynccontextmanager
async def following(valkey: Valkey, revocations: Revocations, clock: MovableClock) -> AsyncIterator[RevocationFeed]:
    """A feed that runs as the worker's job."""
    redis = AsyncRedis.from_url(
        valkey.url, decode_responses=True, encoding_errors="replace", socket_timeout=3, socket_connect_timeout=1
    )
    feed = RevocationFeed(redis, revocations, clock)
    jobs = BackgroundTasks([feed.follow])
    jobs.start()
    try:
        yield feed
    finally:
        await jobs.stop()
        await redis.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


def test_the_feed_reads_all_at_the_start_and_then_follows(valkey: Valkey, revocations: Revocations) -> None:
    """More than a page of it; and news arrive within a second."""
    clock = MovableClock(NOW)
    with Redis.from_url(valkey.url) as redis, redis.pipeline() as pipeline:
        for number in range(2_500):
            pipeline.xadd(STREAM, revoked("sid", f"s{number}", NOW).to_fields())
        pipeline.execute()

    async def live() -> None:
        async with following(valkey, revocations, clock) as feed:
            with pytest.raises(LookupError):
                feed.check()
            assert feed.age(NOW) == float("inf")
            await until(lambda: feed.loaded)
            feed.check()
            assert len(revocations) == 2_500
            begun = asyncio.get_running_loop().time()
            publish(valkey, "late")
            await until(lambda: is_refused(revocations, session="late"))
            assert asyncio.get_running_loop().time() - begun < 1

    asyncio.run(live())


def test_an_empty_stream_is_read_at_once(valkey: Valkey, revocations: Revocations) -> None:
    async def live() -> None:
        async with following(valkey, revocations, MovableClock(NOW)) as feed:
            begun = asyncio.get_running_loop().time()
            await until(lambda: feed.loaded)
            assert asyncio.get_running_loop().time() - begun < 0.9  # a read that waits takes a second

    asyncio.run(live())


def test_the_feed_survives_a_restart_and_a_gap(valkey: Valkey, revocations: Revocations) -> None:
    """What is known stays known while the server is away, and what it says afterwards is learned.

    Its ids may start anew: a server that was emptied, or another one, need not go on from the old ones.
    """

    async def live() -> None:
        async with following(valkey, revocations, MovableClock(NOW)) as feed:
            publish(valkey, "before")
            await until(lambda: is_refused(revocations, session="before"))
            await asyncio.to_thread(valkey.stop)
            assert is_refused(revocations, session="before")
            await asyncio.to_thread(valkey.start)
            with Redis.from_url(valkey.url) as redis:
                redis.xadd(STREAM, revoked("sid", "after", NOW).to_fields(), id="1-1")
            await until(lambda: is_refused(revocations, session="after"))
            assert is_refused(revocations, session="before")
            feed.check()

    asyncio.run(live())


def test_a_silence_names_its_later_reasons_too(valkey: Valkey, revocations: Revocations) -> None:
    """A server that begins to ask for a password first closes the connections that it has."""

    async def live() -> list[str]:
        async with following(valkey, revocations, MovableClock(NOW)) as feed:
            await until(lambda: feed.loaded)
            with Redis.from_url(valkey.url) as redis, capture_logs() as lines:
                redis.config_set("requirepass", "secret")
                redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
                await until(lambda: any(reason.startswith("refused: ") for reason in silences(lines)))
                await asyncio.sleep(0.6)  # it has been refused once more, at least
            return silences(lines)

    reasons = asyncio.run(live())
    assert not reasons[0].startswith("refused: ")
    assert len(set(reasons)) == len(reasons)


def silences(lines: Sequence[MutableMapping[str, Any]]) -> list[str]:
    """The reasons of the silences that were logged."""
    return [line["reason"] for line in lines if line["event"] == "revocation_feed_unavailable"]


def test_a_server_that_comes_late_is_found(revocations: Revocations) -> None:
    async def live(valkey: Valkey) -> None:
        await asyncio.to_thread(valkey.stop)
        async with following(valkey, revocations, MovableClock(NOW)) as feed:
            await asyncio.sleep(0.3)  # it has been refused at least once
            assert not feed.loaded
            await asyncio.to_thread(valkey.start)
            await until(lambda: feed.loaded)

    with valkey_server() as valkey:
        asyncio.run(live(valkey))


def test_an_entry_that_cannot_be_read_stops_nothing(valkey: Valkey, revocations: Revocations) -> None:
    with Redis.from_url(valkey.url) as redis:
        redis.xadd(STREAM, {"kind": "jti", "value": "x", "at": "1"})
        redis.xadd(STREAM, {"any": "thing"})
        redis.xadd(STREAM, {"kind": "sid", "value": b"\xff\xfe", "at": str(NOW)})
    publish(valkey, "good")

    async def live() -> None:
        async with following(valkey, revocations, MovableClock(NOW)):
            await until(lambda: is_refused(revocations, session="good"))

    asyncio.run(live())


def test_the_feed_forgets_what_has_expired(valkey: Valkey, revocations: Revocations) -> None:
    clock = MovableClock(NOW)

    async def live() -> None:
        async with following(valkey, revocations, clock):
            publish(valkey, "old")
            await until(lambda: len(revocations) == 1)
            clock.move(LIFETIME + 11)
            publish(valkey, "new", at=int(clock()))
            await until(lambda: is_refused(revocations, session="new") and len(revocations) == 1)

    asyncio.run(live())


# --- REVOCATION_FAIL=closed: the feed is whole when the auth service has said so -----------------------------------


def answer_questions(valkey: Valkey, *ended: str) -> int:
    """Plays the auth service: publishes what it owes, then answers; how many gateways have asked."""
    with Redis.from_url(valkey.url, decode_responses=True) as redis:
        questions = redis.spop(ASKED, 100) or []
        assert isinstance(questions, list)
        if questions:
            for session in ended:
                redis.xadd(STREAM, dict(revoked("sid", session, NOW).to_fields().items()))
        for question in questions:
            redis.xadd(STREAM, dict(complete_fields(str(question), NOW).items()))
        return len(questions)


def is_open(revocations: Revocations, now: float) -> bool:
    try:
        revocations.check(read_claims(session="somebody"), now)
    except Refused as refused:
        return refused.code != "revocations_unavailable"
    return True


def test_closed_stays_503_until_all_that_is_owed_was_published(valkey: Valkey) -> None:
    """At the start, and after Redis came back empty. An answer to another gateway is none to this one."""
    revocations = Revocations(fail_closed=True)
    clock = MovableClock(NOW)

    async def live() -> None:
        async with following(valkey, revocations, clock) as feed:
            await asyncio.sleep(0.2)  # it has read an empty stream to its end
            assert not feed.loaded
            assert not is_open(revocations, clock())
            assert await until_answered(valkey) == 1
            await until(lambda: is_open(revocations, clock()))
            await asyncio.to_thread(valkey.stop)
            clock.move(FEED_LIMIT + 1)
            assert not is_open(revocations, clock())
            await asyncio.to_thread(valkey.start)
            with Redis.from_url(valkey.url) as redis:
                redis.xadd(STREAM, dict(complete_fields("0" * 32, NOW).items()))
            await asyncio.sleep(0.6)  # it is connected again, and has read that
            assert not is_open(revocations, clock())
            assert await until_answered(valkey, "meanwhile") == 1
            await until(lambda: is_open(revocations, clock()))
            assert is_refused(revocations, now=clock(), session="meanwhile")

    asyncio.run(live())


async def until_answered(valkey: Valkey, *ended: str) -> int:
    async with asyncio.timeout(WAIT):
        while not (asked := await asyncio.to_thread(answer_questions, valkey, *ended)):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)
    return asked


def test_a_question_that_was_lost_is_asked_again(valkey: Valkey) -> None:
    """By an auth service that took it and died."""
    revocations = Revocations(fail_closed=True)

    async def live() -> None:
        async with following(valkey, revocations, MovableClock(NOW)) as feed:
            with Redis.from_url(valkey.url) as redis:
                await until(lambda: bool(redis.spop(ASKED)))
            assert await until_answered(valkey) == 1
            await until(lambda: feed.loaded)

    asyncio.run(live())


def test_open_asks_nothing(valkey: Valkey, revocations: Revocations) -> None:
    async def live() -> None:
        async with following(valkey, revocations, MovableClock(NOW)) as feed:
            await until(lambda: feed.loaded)
            with Redis.from_url(valkey.url) as redis:
                assert not redis.exists(ASKED)

    asyncio.run(live())
