"""A thread keeps its connection while requests arrive, and gives it back when others need the thread."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from chassis import gunicorn_worker
from chassis.gunicorn_logger import GunicornLogger
from chassis.gunicorn_worker import LingeringThreadWorker

REQUEST = b"POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nok"
THREADS = 4


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the body of the request."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def worker() -> Iterator[LingeringThreadWorker]:
    config = Config()
    config.set("threads", THREADS)
    worker = LingeringThreadWorker(0, 0, [], SimpleNamespace(), 30, config, GunicornLogger(config))
    worker.wsgi = echo
    yield worker
    worker.tmp.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Any]]:
    """A client's socket, and the worker's connection to it."""
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    with client, server:
        yield client, TConn(Config(), server, "", "/auth.sock")


def read_response(client: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"ok"):
        received += client.recv(65536)
    return received


def test_one_thread_serves_the_requests_of_a_busy_connection(
    worker: LingeringThreadWorker, pair: tuple[socket.socket, Any]
) -> None:
    client, connection = pair
    outcomes: list[Any] = []
    client.sendall(REQUEST)
    thread = threading.Thread(target=lambda: outcomes.append(worker.handle(connection)))
    thread.start()
    for _ in range(3):
        assert read_response(client).startswith(b"HTTP/1.1 200 OK\r\n")
        client.sendall(REQUEST)
    read_response(client)
    thread.join(30)
    assert outcomes == [True]  # after LINGER_MS without a request the connection goes back to the main thread


def test_two_requests_that_arrive_together_are_both_answered(
    worker: LingeringThreadWorker, pair: tuple[socket.socket, Any]
) -> None:
    client, connection = pair
    client.sendall(REQUEST + REQUEST)
    assert worker.handle(connection) is True
    assert client.recv(65536).count(b"HTTP/1.1 200 OK") == 2


def test_no_thread_lingers_while_more_than_half_are_busy(
    worker: LingeringThreadWorker, pair: tuple[socket.socket, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gunicorn_worker, "LINGER_MS", 60_000)  # a test that waits fails by its time limit
    client, connection = pair
    worker._busy.update(range(THREADS // 2))
    client.sendall(REQUEST)
    assert worker.handle(connection) is True
    read_response(client)
    assert worker._busy == set(range(THREADS // 2))


def test_no_thread_lingers_in_a_worker_that_stops(
    worker: LingeringThreadWorker, pair: tuple[socket.socket, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gunicorn_worker, "LINGER_MS", 60_000)
    client, connection = pair
    client.sendall(REQUEST)
    worker.alive = False
    assert worker.handle(connection) is False  # the response has `Connection: close`
    assert b"Connection: close" in read_response(client)


def test_a_client_that_closes_its_connection_frees_the_thread(
    worker: LingeringThreadWorker, pair: tuple[socket.socket, Any]
) -> None:
    client, connection = pair
    client.sendall(REQUEST)
    client.shutdown(socket.SHUT_WR)
    assert worker.handle(connection) is False
    read_response(client)


def test_head_and_body_are_sent_together(worker: LingeringThreadWorker, pair: tuple[socket.socket, Any]) -> None:
    client, connection = pair
    sent: list[bytes] = []

    class Recorder:
        def sendall(self, data: bytes) -> None:
            sent.append(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(server, name)

    server, connection.sock = connection.sock, Recorder()
    client.sendall(REQUEST)
    client.shutdown(socket.SHUT_WR)
    worker.handle(connection)
    assert len(sent) == 1
    assert sent[0].endswith(b"\r\n\r\nok")


def test_a_response_without_a_body_is_sent(worker: LingeringThreadWorker, pair: tuple[socket.socket, Any]) -> None:
    def no_content(_: object, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("204 No Content", [])
        return []

    client, connection = pair
    worker.wsgi = no_content
    client.sendall(REQUEST)
    client.shutdown(socket.SHUT_WR)
    worker.handle(connection)
    assert client.recv(65536).startswith(b"HTTP/1.1 204 No Content\r\n")
