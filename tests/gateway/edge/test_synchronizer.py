"""The synchronizer with a real HAProxy: revocations, keys, secrets, and when the edge may decide."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contract.revocation import SESSION, SUBJECT, Revocation
from gateway.edge.synchronizer import CLEANING_SECONDS, Synchronizer
from gateway.redis_clients import revocation_feed_redis
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import MAX_FEED_AGE_SECONDS, Revocations
from gateway.tokens.verification_keys import VerificationKeys
from tests.clocks import MovableClock
from tests.gateway.access_tokens import SigningKey, access_claims, jwks
from tests.gateway.edge.conftest import ROUTES
from tests.gateway.edge.played_edge import HAPROXY, PlayedEdge, play_edge

pytestmark = [pytest.mark.system, pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed")]

UNTIL = int(time.time()) + 1_000
NOTES = ("GET /api/notes HTTP/1.1", "Host: h")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedEdge]:
    """An edge that knows no key."""
    with play_edge(tmp_path_factory.mktemp("synchronized") / "edge", ROUTES, []) as played:
        yield played


class Synchronized:
    """A synchronizer whose feed, keys and clock a test controls."""

    def __init__(
        self, edge: PlayedEdge, redis_url: str, keys: list[SigningKey], *, fail_closed: bool = False
    ) -> None:
        self.clock = MovableClock(time.time())
        self.keys = keys
        self.secrets_changed = False
        self.revocations = Revocations(fail_closed=fail_closed)
        self.feed = RevocationFeed(revocation_feed_redis(redis_url), self.revocations, self.clock)
        self._verification_keys = VerificationKeys(self._fetch, self.clock, 60)
        self._synchronizer = Synchronizer(
            edge.folder,
            self.feed,
            self.revocations,
            self._verification_keys,
            lambda: self.secrets_changed,
            asyncio.Event(),
            self.clock,
        )

    async def _fetch(self) -> bytes:
        return jwks(*self.keys)

    async def update(self, *, reads_feed: bool = True) -> None:
        """Fetch the keys, read the feed, and update HAProxy."""
        await self._verification_keys.refresh()
        if reads_feed:
            follow = asyncio.create_task(self.feed.follow())
            await asyncio.sleep(0.1)
            follow.cancel()
            await asyncio.wait([follow])  # until its connections are closed
        await self._synchronizer.update()


def decides(edge: PlayedEdge, key: SigningKey, **claims: str) -> bool:
    token = key.sign(access_claims(time.time(), **claims))
    return edge.decides(*NOTES, f"Authorization: Bearer {token}")


def test_keys_are_loaded_replaced_and_withdrawn(edge: PlayedEdge, redis_url: str, signing_key: SigningKey) -> None:
    new = SigningKey("new")

    edge.set_map(edge.folder.state_map)

    async def play() -> None:
        played = Synchronized(edge, redis_url, [signing_key])
        assert not decides(edge, signing_key)
        await played.update()
        assert decides(edge, signing_key)
        assert not decides(edge, new)
        played.keys.append(new)
        await played.update()
        assert decides(edge, signing_key)
        assert decides(edge, new)
        played.keys.remove(signing_key)
        await played.update()
        assert not decides(edge, signing_key)
        assert decides(edge, new)

    _run(play())


def test_revocations_are_added_and_expired_ones_removed(
    edge: PlayedEdge, redis_url: str, signing_key: SigningKey
) -> None:
    async def play() -> None:
        played = Synchronized(edge, redis_url, [signing_key])
        await played.update()
        assert decides(edge, signing_key, sid="s-1", sub="u-1")
        for number in range(2_000):  # more than one payload
            played.revocations.add(Revocation(SESSION, f"other-{number}", int(time.time()), UNTIL))
        played.revocations.add(Revocation(SESSION, "s-1", int(time.time()), int(played.clock()) + 100))
        played.revocations.add(Revocation(SUBJECT, "u-2", int(time.time()), UNTIL))
        played.revocations.add(Revocation(SUBJECT, "not plain\nx", int(time.time()), UNTIL))
        await played.update()
        assert not decides(edge, signing_key, sid="s-1", sub="u-1")
        assert not decides(edge, signing_key, sid="s-2", sub="u-2")
        assert not decides(edge, signing_key, sid="other-1999")
        assert decides(edge, signing_key, sid="s-2", sub="u-3")
        played.clock.move(CLEANING_SECONDS + 200)
        played.revocations.evict_expired(played.clock())
        await played.update()
        assert decides(edge, signing_key, sid="s-1", sub="u-1")
        assert not decides(edge, signing_key, sid="s-2", sub="u-2")

    _run(play())


def test_with_fail_closed_the_edge_stops_when_the_feed_is_old(
    edge: PlayedEdge, redis_url: str, signing_key: SigningKey
) -> None:
    async def play() -> None:
        for fail_closed in (False, True):
            played = Synchronized(edge, redis_url, [signing_key])
            await played.update()
            played.revocations.fail_closed = fail_closed
            played.feed._current_at = played.clock() - MAX_FEED_AGE_SECONDS - 1
            await played.update(reads_feed=False)
            assert decides(edge, signing_key) is not fail_closed

    _run(play())


def test_before_feed_and_keys_are_known_the_edge_decides_nothing(
    edge: PlayedEdge, redis_url: str, signing_key: SigningKey
) -> None:
    edge.set_map(edge.folder.state_map)

    async def play() -> None:
        await Synchronized(edge, redis_url, [signing_key]).update(reads_feed=False)
        assert not decides(edge, signing_key)

    _run(play())


def test_a_changed_secret_reloads_haproxy(edge: PlayedEdge, redis_url: str, signing_key: SigningKey) -> None:
    async def play() -> None:
        played = Synchronized(edge, redis_url, [signing_key])
        await played.update()
        played.secrets_changed = True
        with capture_logs() as lines:
            await played.update()
        assert [line["event"] for line in lines] == ["edge_reloaded", "edge_synchronized"]
        assert decides(edge, signing_key)

    _run(play())


def test_without_haproxy_an_update_fails_once_in_the_log(
    tmp_path: Path, edge: PlayedEdge, redis_url: str, signing_key: SigningKey
) -> None:
    async def play() -> None:
        played = Synchronized(edge, redis_url, [signing_key])
        await played.update()
        socket = edge.folder.socket
        edge.folder.socket = tmp_path / "missing.sock"
        with capture_logs() as lines:
            await played.update()
            await played.update()
            edge.folder.socket = socket
            await played.update()
        assert [line["event"] for line in lines] == ["edge_update_failed", "edge_update_recovered"]

    _run(play())


def _run(play: Coroutine[None, None, None]) -> None:
    asyncio.run(play)
