"""The breaker in front of Redis, once it has opened."""

from pathlib import Path

import pytest
from redis import Redis

from auth_service.redis_client import FAILURES, RedisClient, RedisUnavailable
from tests.clocks import MovableClock


class Server:
    """Counts what it is asked, and fails until it is mended."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_mended = False

    def __call__(self, _: Redis) -> str:
        self.asked += 1
        if not self.is_mended:
            raise ConnectionRefusedError
        return "PONG"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def link(tmp_path: Path, clock: MovableClock) -> RedisClient:
    return RedisClient(f"unix://{tmp_path}/nobody", clock=clock)


def ask(link: RedisClient, server: Server, times: int) -> int:
    """How often the server was asked."""
    before = server.asked
    for _ in range(times):
        with pytest.raises(RedisUnavailable):
            link.ask(server)
    return server.asked - before


def test_while_it_is_open_one_at_a_time_finds_out(link: RedisClient, clock: MovableClock) -> None:
    """The others lose no time: after each pause a single command is tried."""
    server = Server()
    assert ask(link, server, 20) == FAILURES
    for _ in range(5):
        clock.move(2)
        assert ask(link, server, 20) == 1


def test_the_first_answer_closes_it(link: RedisClient, clock: MovableClock) -> None:
    server = Server()
    ask(link, server, 20)
    server.is_mended = True
    clock.move(2)
    assert [link.ask(server) for _ in range(5)] == ["PONG"] * 5
    server.is_mended = False
    assert ask(link, server, 20) == FAILURES
