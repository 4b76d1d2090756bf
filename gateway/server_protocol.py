"""Owns the client's side of a connection: what httptools and uvicorn parse, within bounds of size and time.

The parser itself has no bounds. Here a header section that is too large or too slow, and a body that stops
coming, end the connection; and a connection that is asked to go answers what is on it first.
"""

import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from contract.problems import PROBLEM_JSON, Refused
from gateway.token_proxy import CLIENT_CONNECTION

MAX_HEAD_BYTES = 98_304
"""A bound for memory's sake; the pipeline refuses far smaller heads with an answer of its own."""

DRAIN = 5.0
"""Seconds that an idle connection may still bring a request after it was asked to go."""

_FOREVER = float("inf")


class ServerProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines. Times are the loop's, in seconds."""

    head_timeout = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_gone: Any = None
        self._head_until = self.loop.time() + self.head_timeout
        self._head_bytes = 0
        self._heard_at = 0.0
        self._draining = False

    # --- reading -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what the client sent."""
        super().data_received(data)
        self._heard_at = self.loop.time()
        if self.cycle is not None and not self.cycle.response_complete:
            return
        if self._head_until == _FOREVER:
            self._head_until = self._heard_at + self.head_timeout
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(Refused("headers_too_large"))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        super().on_message_begin()
        self.scope[CLIENT_CONNECTION] = self  # type: ignore[literal-required]  # a key of our own

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._head_until = _FOREVER
        self._head_bytes = 0
        super().on_headers_complete()
        if self._draining:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Called where the parser gives up: the connection ends with a problem."""
        self._refuse(Refused("bad_request", "The request is not well-formed HTTP/1.1."))

    def _refuse(self, refused: Refused) -> None:
        body = json.dumps(refused.to_members("")).encode()
        head = (f"content-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n").encode()
        self.transport.write(STATUS_LINE[refused.status] + head + body)
        self.transport.close()

    # --- ending ------------------------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop once."""
        super().connection_lost(exc)
        if self.on_gone is not None:
            self.on_gone()

    def enforce_deadlines(self, now: float) -> None:
        """Closes the connection when a header section or a body is overdue at the loop time `now`."""
        if now > self._head_until or self._body_is_overdue(now):
            self.transport.abort()

    def _body_is_overdue(self, now: float) -> bool:
        cycle = self.cycle
        return (
            cycle is not None
            and cycle.more_body
            and not cycle.response_complete
            and not self.flow.read_paused
            and now - self._heard_at > self.head_timeout
        )

    def shutdown(self) -> None:
        """Asks the connection to go: with the answer it is at, the next one, or after DRAIN seconds of silence.

        Closing an idle connection at once would cut off the request that is already on its way.
        """
        self._draining = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        self.loop.call_later(DRAIN, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()
