"""A circuit breaker stops Redis commands during an outage, and the service works without Redis."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from auth_service.redis_client import FAILURES, RedisClient, RedisUnavailable
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Person
from tests.clocks import MovableClock


class Command:
    """A Redis command that counts its calls and fails until `works` is set."""

    def __init__(self) -> None:
        self.calls = 0
        self.works = False

    def __call__(self, _: Redis) -> str:
        self.calls += 1
        if not self.works:
            raise ConnectionRefusedError
        return "PONG"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def redis_client(tmp_path: Path, clock: MovableClock) -> RedisClient:
    return RedisClient(f"unix://{tmp_path}/missing", clock=clock)


def calls_of(client: RedisClient, command: Command, times: int) -> int:
    """Send the failing command `times` times. Return how often the client called it."""
    before = command.calls
    for _ in range(times):
        with pytest.raises(RedisUnavailable):
            client.call(command)
    return command.calls - before


def test_one_command_at_a_time_probes_an_open_circuit(redis_client: RedisClient, clock: MovableClock) -> None:
    """After each pause one command is sent; the others fail at once."""
    command = Command()
    assert calls_of(redis_client, command, 20) == FAILURES
    for _ in range(5):
        clock.move(2)
        assert calls_of(redis_client, command, 20) == 1


def test_the_first_reply_closes_the_circuit(redis_client: RedisClient, clock: MovableClock) -> None:
    command = Command()
    calls_of(redis_client, command, 20)
    command.works = True
    clock.move(2)
    assert [redis_client.call(command) for _ in range(5)] == ["PONG"] * 5
    command.works = False
    assert calls_of(redis_client, command, 20) == FAILURES


@pytest.fixture
def no_redis(tmp_path: Path) -> str:
    """The URL of a socket that does not exist."""
    return f"unix://{tmp_path}/missing"


@pytest.fixture
def hanging_redis(tmp_path: Path) -> Iterator[str]:
    """The URL of a server that accepts connections and never replies."""
    path = str(tmp_path / "hung")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        yield f"unix://{path}"


def test_without_redis_log_in_refresh_replay_and_log_out_work_with_sql(
    make_app: MakeApp, no_redis: str, clock: MovableClock
) -> None:
    client = make_app(REDIS_URL=no_redis).test_client()
    person = Person(client)
    person.register()
    assert person.log_in().status_code == 200
    used_token = person.refresh
    assert person.refresh_tokens().status_code == 200
    assert person.refresh_tokens().status_code == 200
    assert person.verify(person.refresh).status_code == 200
    assert person.me().status_code == 200
    clock.move(60)
    assert person.refresh_with(used_token).status_code == 401
    assert person.me().status_code == 401
    person.log_in()
    assert person.log_out().status_code == 200
    assert person.refresh_tokens().status_code == 401
    assert client.get("/readyz").json == {"status": "ready", "degraded": ["redis"]}


def test_a_hanging_redis_delays_requests_only_until_the_circuit_opens(make_app: MakeApp, hanging_redis: str) -> None:
    """A command takes 100 ms until the third failure; then requests skip Redis for one to two seconds."""
    person = Person(make_app(REDIS_URL=hanging_redis).test_client())
    person.register()
    person.log_in()
    for _ in range(2):
        person.refresh_tokens()
    started = time.monotonic()
    for _ in range(40):
        assert person.refresh_tokens().status_code == 200
    assert time.monotonic() - started < 3  # with 100 ms for each it would be more than 4


def test_the_circuit_opens_after_three_failures_and_closes_with_a_success(
    no_redis: str, valkey: str, redis: Redis
) -> None:
    clock = MovableClock()
    client = RedisClient(no_redis, clock=clock)
    attempts = 0

    def ping(server: Redis) -> object:
        nonlocal attempts
        attempts += 1
        return (redis if recovered else server).ping()

    recovered = False
    for _ in range(FAILURES + 3):
        with pytest.raises(RedisUnavailable):
            client.call(ping)
    assert attempts == FAILURES
    recovered = True
    clock.move(2)
    assert client.call(ping)
    assert client.call(ping)
    client.close()
