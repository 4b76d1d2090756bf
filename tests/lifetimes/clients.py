"""The Python clients under test, with the same methods for httpx, httpx with asyncio, and requests."""

import asyncio
import json
import os
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
from requests.adapters import HTTPAdapter

from sallyport_client import FileStore, RetryPolicy, Tokens
from sallyport_client.httpx import HttpxExchange
from sallyport_client.httpx import SallyportAuth as HttpxAuth
from sallyport_client.requests import RequestsExchange
from sallyport_client.requests import SallyportAuth as RequestsAuth
from tests.lifetimes.network import REQUEST_ID, Network

RETRY = RetryPolicy(total_seconds=30, attempt_seconds=15, first_pause=0.05, longest_pause=0.4)
_TLS = ssl.create_default_context()  # made once: it takes 20 ms, and every transport wants one


class ProcessEnded(BaseException):
    """The end of a process while it stores its tokens."""


@dataclass
class Sending:
    """A request of a life, and its outcome: a status, or the name of an error."""

    request_id: str
    process: int
    method: str
    title: str
    outcome: int | str = "did not end"
    seconds: float = 0.0

    @property
    def parts(self) -> dict[str, Any]:
        """Return the arguments that both libraries take."""
        headers = {REQUEST_ID: self.request_id}
        return {"headers": headers, **({"json": {"title": self.title}} if self.method == "POST" else {})}


class InterruptibleStore(FileStore):
    """A FileStore whose process ends while it writes, if `ends_at_byte` is set."""

    ends_at_byte: int | bool | None = False
    """After this byte of the temporary file; None: after the file was replaced; False: it does not end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file = path

    def save(self, tokens: Tokens) -> None:
        """Replace the file. Raises ProcessEnded at `ends_at_byte`."""
        if self.ends_at_byte is False:
            super().save(tokens)
            return
        if self.ends_at_byte is None:
            super().save(tokens)
        else:
            content = json.dumps({"access": tokens.access, "refresh": tokens.refresh}).encode()
            torn = self.file.with_name(f".{self.file.name}.{os.urandom(4).hex()}.tmp")
            torn.write_bytes(content[: self.ends_at_byte])
        raise ProcessEnded


class SteppedClock:
    """The monotonic clock, moved by `offset` seconds."""

    offset = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.offset


class Process:
    """One process of an app: its clock, and the session that it has read from the store."""

    auth: HttpxAuth | RequestsAuth

    def __init__(self, url: str, store: Path, network: Network) -> None:
        self.url = url
        self.network = network
        self.clock = SteppedClock()
        self.store = InterruptibleStore(store)

    def send(self, sending: Sending) -> None:
        """Send a request and record its outcome."""
        started = time.monotonic()
        sending.outcome = self.outcome_of(sending)
        sending.seconds = time.monotonic() - started

    def outcome_of(self, sending: Sending) -> int | str:
        """Send a request and return its status, or the name of the error."""
        raise NotImplementedError

    def send_all(self, sendings: list[Sending]) -> None:
        """Send requests at the same time."""
        with ThreadPoolExecutor(len(sendings)) as threads:
            list(threads.map(self.send, sendings))


class FaultyTransport(httpx.BaseTransport):
    """Sends requests unless the network of the life has a fault for them."""

    shared = httpx.HTTPTransport(verify=_TLS, limits=httpx.Limits(max_connections=None, max_keepalive_connections=50))

    def __init__(self, network: Network) -> None:
        self._network = network

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`. Raises ConnectError, or what a lost answer causes."""
        with self._network.sending(request.url.path, request.headers) as is_sent:
            if not is_sent:
                raise httpx.ConnectError("unreachable", request=request)
            return self.shared.handle_request(request)

    def close(self) -> None:
        """Leave the shared connections open."""


class FaultyAsyncTransport(httpx.AsyncHTTPTransport):
    """The same for tasks, with connections of its own."""

    def __init__(self, network: Network) -> None:
        super().__init__(verify=_TLS)
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`. Raises ConnectError, or what a lost answer causes."""
        with self._network.sending(request.url.path, request.headers) as is_sent:
            if not is_sent:
                raise httpx.ConnectError("unreachable", request=request)
            return await super().handle_async_request(request)


class HttpxProcess(Process):
    """A process with httpx.Client, which its threads share."""

    auth: HttpxAuth

    def __init__(self, url: str, store: Path, network: Network) -> None:
        super().__init__(url, store, network)
        client = httpx.Client(transport=FaultyTransport(network), trust_env=False)
        self.auth = HttpxAuth(url, self.store, exchange=HttpxExchange(client), retry=RETRY, clock=self.clock)
        self._client = httpx.Client(transport=FaultyTransport(network), auth=self.auth, trust_env=False, timeout=30)

    def outcome_of(self, sending: Sending) -> int | str:
        """Send a request and return its status, or the name of the error."""
        try:
            response = self._client.request(sending.method, f"{self.url}/api/notes/", **sending.parts)
            return int(response.status_code)
        except httpx.TransportError as error:
            return type(error).__name__


class AsyncProcess(HttpxProcess):
    """A process with httpx.AsyncClient; an event loop for each group of requests."""

    def send_all(self, sendings: list[Sending]) -> None:
        """Send requests at the same time, in tasks."""
        asyncio.run(self._send_all(sendings))

    async def _send_all(self, sendings: list[Sending]) -> None:
        transport = FaultyAsyncTransport(self.network)
        async with httpx.AsyncClient(transport=transport, auth=self.auth, trust_env=False, timeout=30) as client:
            await asyncio.gather(*(self._send(client, sending) for sending in sendings))

    async def _send(self, client: httpx.AsyncClient, sending: Sending) -> None:
        started = time.monotonic()
        try:
            response = await client.request(sending.method, f"{self.url}/api/notes/", **sending.parts)
            sending.outcome = response.status_code
        except httpx.TransportError as error:
            sending.outcome = type(error).__name__
        sending.seconds = time.monotonic() - started


class FaultyAdapter(HTTPAdapter):
    """Sends requests over shared connections, unless the network of the life has a fault for them."""

    shared = HTTPAdapter(pool_maxsize=50)

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send `request`. Raises ConnectionError."""
        with self._network.sending(urlsplit(request.url or "").path, request.headers) as is_sent:
            if not is_sent:
                raise requests.ConnectionError("unreachable", request=request)
            response = self.shared.send(request, *arguments, **options)
        response.connection = self  # where it is sent again
        return response

    def close(self) -> None:
        """Leave the shared connections open."""


class RequestsProcess(Process):
    """A process with requests: one authentication for the sessions of all its threads."""

    auth: RequestsAuth

    def __init__(self, url: str, store: Path, network: Network) -> None:
        super().__init__(url, store, network)
        exchange = RequestsExchange(self._session())
        self.auth = RequestsAuth(url, self.store, exchange=exchange, retry=RETRY, clock=self.clock)

    def outcome_of(self, sending: Sending) -> int | str:
        """Send a request and return its status, or the name of the error."""
        with self._session() as session:
            try:
                return session.request(
                    sending.method, f"{self.url}/api/notes/", auth=self.auth, timeout=30, **sending.parts
                ).status_code
            except requests.RequestException as error:
                return type(error).__name__

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", FaultyAdapter(self.network))
        return session


VARIANTS: tuple[type[Process], ...] = (HttpxProcess, AsyncProcess, RequestsProcess)
