"""When something is there, and what is said when it is not."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.address import Port
from stack.readiness import NotReady, check_redis, http_problem, wait_for
from stack.settings import StartRefused


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def told_by_a_server_that_says(answer: bytes) -> str | None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        return await http_problem(Port("127.0.0.1", server.sockets[0].getsockname()[1]), "/readyz")


def test_a_redis_that_is_silent_is_named_and_its_password_is_not(silent_port: int) -> None:
    with pytest.raises(StartRefused, match="REDIS_URL") as refused:
        check_redis({"REDIS_URL": f"redis://:hunter2@127.0.0.1:{silent_port}"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "http://127.0.0.1", "unix:///nowhere", "nonsense"])
def test_a_redis_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StartRefused, match="REDIS_URL"):
        check_redis({"REDIS_URL": url})


def test_a_redis_url_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://127.0.0.1:1\n")
    for file in ("url", "missing"):
        with pytest.raises(StartRefused, match="REDIS_URL"):
            check_redis({"REDIS_URL_FILE": str(tmp_path / file)})


def test_200_is_no_problem() -> None:
    assert asyncio.run(told_by_a_server_that_says(b"HTTP/1.1 200 OK\r\n\r\n{}")) is None


def test_the_answer_says_what_is_not_ready() -> None:
    answer = b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"failing": ["keys"]}'
    assert "keys" in str(asyncio.run(told_by_a_server_that_says(answer)))


def test_no_answer_is_a_problem() -> None:
    assert asyncio.run(told_by_a_server_that_says(b"")) is not None
    assert asyncio.run(http_problem(Port("127.0.0.1", 1), "/readyz")) is not None


def test_waiting_ends_with_what_was_heard_last() -> None:
    async def problem() -> str | None:
        return "no keys"

    with pytest.raises(NotReady, match=r"gateway .* no keys"):
        asyncio.run(wait_for("gateway", problem, 0.0))
