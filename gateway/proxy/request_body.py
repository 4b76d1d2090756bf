"""Read a request's body from the client and frame it for the upstream.

The body is buffered before the upstream gets the request. Many services use a thread for each request, and a few slow
clients would occupy all of them. A body that exceeds the buffer is streamed from then on. A route with
`streams = true` streams every body.
"""

import asyncio
from collections.abc import Awaitable, Callable

from contract.problems import Refused
from gateway.pipeline.match import body_too_large
from gateway.pipeline.pipeline import AdmittedRequest
from gateway.proxy.errors import ExchangeAborted
from gateway.server.request_cycle import Message

REQUEST_BUFFER_BYTES = 65_536
"""Bytes of a body that are buffered before the request is sent."""


class RequestBody:
    """The body of one request. `receive` is ASGI's receive."""

    def __init__(self, admitted: AdmittedRequest, receive: Callable[[], Awaitable[Message]]) -> None:
        self._route = admitted.route
        self._chunked = admitted.matched.chunked
        self._receive = receive
        self._received_bytes = 0
        self.is_complete = not admitted.matched.has_body
        """Whether the whole body has been read from the client."""

    async def read_first(self) -> bytes:
        """Return the part to send together with the request's head.

        Raises as read_next, and Refused(408) if buffering the rest after the first part takes longer than
        the route's total timeout.
        """
        if self.is_complete:
            return b""
        body = await self._read()
        if not self.is_complete and not self._route.streams:
            try:
                async with asyncio.timeout(self._route.timeouts.total or None):
                    body = await self._fill_buffer(bytearray(body))
            except TimeoutError as error:
                raise Refused("request_timeout") from error
        return self._framed(body)

    async def read_next(self) -> bytes:
        """Return the next part of the body, framed for the upstream.

        Raises Refused(413) if the body exceeds the route's `max_body`, ExchangeAborted if the client disconnects.
        """
        return self._framed(await self._read())

    async def _fill_buffer(self, body: bytearray) -> bytes:
        while not self.is_complete and len(body) <= REQUEST_BUFFER_BYTES:
            body += await self._read()
        return bytes(body)

    async def _read(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise ExchangeAborted
        body: bytes = message.get("body", b"")
        self._received_bytes += len(body)
        self.is_complete = not message.get("more_body", False)
        if self._received_bytes > self._route.max_body:
            raise body_too_large(self._route)
        return body

    def _framed(self, body: bytes) -> bytes:
        """Return `body` as a chunk if the request is chunked, with the last chunk at the end; otherwise unchanged."""
        if not self._chunked:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk + b"0\r\n\r\n" if self.is_complete else chunk
