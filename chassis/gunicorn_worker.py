"""gunicorn's thread worker, with threads that wait a moment for the next request on their connection, and without
connections that a stopping worker leaves in the queue of its listener.

gunicorn hands a connection to a thread for one request. The main thread then waits for the next one and hands the
connection to a thread again. Each hand-over is two wake-ups of a thread, and each of them competes for the GIL.
With 16 connections and two workers, a refresh costs a tenth less CPU time without them.
"""

import select
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_MS = 50
"""Milliseconds that a thread waits for the next request on its connection."""


class LingeringThreadWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """A thread worker whose threads keep a busy connection while at most half of the threads have one.

    A thread gives its connection back to the main thread when no request arrives within LINGER_MS, when more than
    half of the threads are busy, or when the worker stops.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._busy: set[Any] = set()
        """The connections that threads have now. `add` and `discard` are atomic."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting. A worker that stops accepts what waits, and closes the listeners.

        gunicorn keeps the listeners open until its last request has ended. Meanwhile the kernel completes connections
        that nobody accepts; their requests are lost when the listeners close. A refused connection loses no request:
        the gateway tries the next address.
        """
        super().set_accept_enabled(enabled)
        if self.alive or enabled:
            return
        waiting = select.poll()
        for listener in self.sockets:
            if listener.sock is None:
                continue
            waiting.register(listener, select.POLLIN)
            while waiting.poll(0):
                self.accept(listener)
            waiting.unregister(listener)
            listener.close()

    def handle(self, conn: Any) -> Any:
        """Serve requests of `conn`; return what gunicorn's method returns for the last one."""
        self._busy.add(conn)
        try:
            outcome = super().handle(conn)
            while outcome is True and self._next_request_begins(conn):
                outcome = super().handle(conn)
            return outcome
        finally:
            self._busy.discard(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request, and send the head of its response together with the first bytes of the body."""
        sock = conn.sock
        conn.sock = joined = _JoinedHead(sock)
        try:
            keeps_alive = super().handle_request(req, conn)
            joined.flush()
            return keeps_alive
        finally:
            conn.sock = sock

    def _next_request_begins(self, conn: Any) -> bool:
        if conn.parser.unreader.buf.getvalue():
            return True  # its first bytes were read together with the end of the last request
        if not self.alive or len(self._busy) * 2 > self.cfg.threads:
            return False
        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        return bool(poll.poll(LINGER_MS))


class _JoinedHead:
    """A socket whose first `sendall` is sent together with the second one: one system call less for a response."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._head: bytes | None = b""

    def sendall(self, data: bytes) -> None:
        """Send `data`, except the first time: then keep it for the next call."""
        if self._head is None:
            self._sock.sendall(data)
        elif self._head:
            joined, self._head = self._head + data, None
            self._sock.sendall(joined)
        else:
            self._head = data

    def flush(self) -> None:
        """Send what is kept."""
        if self._head:
            head, self._head = self._head, None
            self._sock.sendall(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
