"""A process is ready after a 200; until then, the message names what is not ready."""

import asyncio
import socket
from pathlib import Path

import pytest

from stack.address import Port, UnixSocket
from stack.processes.readiness import NotReadyInTime, http_problem, listening_problem, wait_for_readiness


async def problem_of_a_server_that_sends(response: bytes) -> str | None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        return await http_problem(Port("127.0.0.1", server.sockets[0].getsockname()[1]), "/readyz")


def test_a_server_that_does_not_listen_yet_is_awaited(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert asyncio.run(listening_problem(UnixSocket(path))) == "it does not listen (ConnectionRefusedError)"
        server.listen()
        assert asyncio.run(listening_problem(UnixSocket(path))) is None


def test_a_200_means_ready() -> None:
    assert asyncio.run(problem_of_a_server_that_sends(b"HTTP/1.1 200 OK\r\n\r\n{}")) is None


def test_the_response_names_what_is_not_ready() -> None:
    response = b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"failing": ["keys"]}'
    assert "keys" in str(asyncio.run(problem_of_a_server_that_sends(response)))


def test_an_empty_response_and_a_refused_connection_mean_not_ready() -> None:
    assert asyncio.run(problem_of_a_server_that_sends(b"")) is not None
    assert asyncio.run(http_problem(Port("127.0.0.1", 1), "/readyz")) is not None


def test_a_timeout_reports_the_last_response() -> None:
    async def problem() -> str | None:
        return "no keys"

    with pytest.raises(NotReadyInTime, match=r"gateway .* no keys"):
        asyncio.run(wait_for_readiness("gateway", problem, 0.0))


def test_a_connection_that_closes_without_a_response_means_not_ready() -> None:
    async def problem() -> str | None:
        return await problem_of_a_server_that_sends(b"")

    with pytest.raises(NotReadyInTime, match="no response"):
        asyncio.run(wait_for_readiness("gateway", problem, 0.0))
