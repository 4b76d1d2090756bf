"""Authentication for httpx: `httpx.Client(auth=SallyportAuth(url))`, and the same for AsyncClient."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent.futures import Future
from typing import Any

import anyio.to_thread
import httpx

from sallyport_client import errors
from sallyport_client.errors import BodyNotReplayable
from sallyport_client.exchange import Answer, Exchange
from sallyport_client.request_flow import Pause, ReceivedResponse, Renew, RequestFlow
from sallyport_client.retry_policy import RetryPolicy
from sallyport_client.session import Session, wait_for
from sallyport_client.tokens import TokenStore


class NetworkError(errors.NetworkError, httpx.TransportError):
    """The NetworkError of a request: code that handles httpx.TransportError handles it too."""

    def __init__(self, message: str, request: httpx.Request) -> None:
        httpx.TransportError.__init__(self, message, request=request)


class SallyportAuth(httpx.Auth, Session):
    """Adds the access token to requests to the gateway at `url`, and keeps it fresh. For Client and AsyncClient.

    `client` sends the refreshes and log-ins, if they need a proxy or certificates of your own; by default a new
    httpx.Client does. The other arguments are those of Session.
    """

    def __init__(
        self,
        url: str,
        store: TokenStore | None = None,
        *,
        client: httpx.Client | None = None,
        exchange: Exchange | None = None,
        retry: RetryPolicy | None = None,
        on_signed_out: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        exchange = exchange or HttpxExchange(client)
        Session.__init__(
            self, url, exchange, store, retry=retry, on_signed_out=on_signed_out, clock=clock, sleep=sleep
        )

    async def alog_in(self, email: str, password: str) -> None:
        """Do `log_in` in a thread, so that the event loop goes on."""
        await anyio.to_thread.run_sync(self.log_in, email, password)

    async def alog_out(self) -> bool:
        """Do `log_out` in a thread, so that the event loop goes on."""
        is_confirmed: bool = await anyio.to_thread.run_sync(self.log_out)
        return is_confirmed

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send `request`, and send it again where RequestFlow decides so."""
        if not self._applies_to(request):
            yield request
            return
        flow, body = RequestFlow(self), _Body(request)
        self._wait(self.renewal_before(is_replayable=body.is_replayable), request)
        while True:
            response = yield _authorized(request, flow)
            request = response.request  # another one after a redirect: what was done before it is not repeated
            match flow.after(_received(response), is_replayable=body.is_replayable):
                case Pause(seconds):
                    self._sleep(seconds)
                    if not flow.is_same_login:
                        return
                case Renew(renewal):
                    self._wait(renewal, request)
                    if not self.is_signed_in or not flow.is_same_login:
                        return
                case None:
                    return
            body.rewind()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do what `sync_auth_flow` does, without blocking the event loop."""
        if not self._applies_to(request):
            yield request
            return
        flow, body = RequestFlow(self), _Body(request)
        await self._async_wait(self.renewal_before(is_replayable=body.is_replayable), request)
        while True:
            response = yield _authorized(request, flow)
            request = response.request
            match flow.after(_received(response), is_replayable=body.is_replayable):
                case Pause(seconds):
                    await anyio.sleep(seconds)
                    if not flow.is_same_login:
                        return
                case Renew(renewal):
                    await self._async_wait(renewal, request)
                    if not self.is_signed_in or not flow.is_same_login:
                        return
                case None:
                    return
            body.rewind()

    def _applies_to(self, request: httpx.Request) -> bool:
        """Return whether this class is concerned with `request`: not if the caller gave it an Authorization field."""
        return "Authorization" not in request.headers and self.takes_token(str(request.url))

    def _wait(self, renewal: Future[str | None] | None, request: httpx.Request) -> None:
        if renewal is None:
            return
        try:
            wait_for(renewal, self)
        except errors.NetworkError as error:
            raise NetworkError(str(error), request) from error

    async def _async_wait(self, renewal: Future[str | None] | None, request: httpx.Request) -> None:
        if renewal is None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # trio
            await anyio.to_thread.run_sync(self._wait, renewal, request, abandon_on_cancel=True)
            return
        try:
            # A future of this loop: one object may serve several loops, also one after another.
            await asyncio.wait_for(asyncio.wrap_future(renewal, loop=loop), self.longest_wait)
        except TimeoutError as error:
            raise NetworkError(f"{self.url} did not complete the refresh", request) from error
        except errors.NetworkError as error:
            raise NetworkError(str(error), request) from error


class HttpxExchange:
    """Sends the calls of a session with `client`, or with a new httpx.Client each."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._client = client

    def post(self, url: str, document: Mapping[str, str], timeout: float) -> Answer:
        """POST `document` as JSON. Raises NetworkError."""
        try:
            if self._client is not None:
                return self._post(self._client, url, document, timeout)
            with httpx.Client() as client:
                return self._post(client, url, document, timeout)
        except httpx.HTTPError as error:
            raise errors.NetworkError(f"{url}: {error or type(error).__name__}") from error

    def _post(self, client: httpx.Client, url: str, document: Mapping[str, str], timeout: float) -> Answer:
        # An auth of its own: the request must not get that of the client.
        response = client.post(url, json=document, timeout=timeout, follow_redirects=False, auth=httpx.Auth())
        return Answer(response.status_code, response.headers, response.content)


class _Body:
    """The body of a request, and how it is read a second time."""

    def __init__(self, request: httpx.Request) -> None:
        stream = request.stream
        self._file: Any = None
        if isinstance(stream, httpx.ByteStream):
            self.is_replayable = True
        elif hasattr(stream, "fields"):  # a multipart form, which rewinds its files itself
            files = [field.file for field in stream.fields if hasattr(field, "file")]
            self.is_replayable = all(isinstance(file, bytes | str) or _is_seekable(file) for file in files)
        else:
            # `_stream` is private; without it, a file as body would count as one that is read only once.
            content: Any = getattr(stream, "_stream", None)
            self.is_replayable = _is_seekable(content)
            if self.is_replayable:
                self._file, self._position = content, content.tell()

    def rewind(self) -> None:
        """Prepare the body for being sent again. Raises BodyNotReplayable."""
        if not self.is_replayable:
            raise BodyNotReplayable
        if self._file is not None:
            self._file.seek(self._position)


def _is_seekable(file: Any) -> bool:
    return hasattr(file, "seekable") and bool(file.seekable())


def _authorized(request: httpx.Request, flow: RequestFlow) -> httpx.Request:
    request.headers.pop("Authorization", None)
    authorization = flow.authorization(str(request.url))
    if authorization is not None:
        request.headers["Authorization"] = authorization
    return request


def _received(response: httpx.Response) -> ReceivedResponse:
    request = response.request
    authorization = request.headers.get("Authorization")
    return ReceivedResponse(request.method, str(request.url), authorization, response.status_code, response.headers)
