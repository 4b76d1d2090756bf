"""Authentication for requests: `session.auth = SallyportAuth(url)`."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import requests
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar

from sallyport_client import errors
from sallyport_client.errors import BodyNotReplayable
from sallyport_client.exchange import Answer, Exchange
from sallyport_client.request_flow import Pause, ReceivedResponse, Renew, RequestFlow
from sallyport_client.retry_policy import RetryPolicy
from sallyport_client.session import Session, wait_for
from sallyport_client.tokens import TokenStore


class NetworkError(errors.NetworkError, requests.ConnectionError):
    """The NetworkError of a request: code that handles requests.ConnectionError handles it too."""


class SallyportAuth(AuthBase, Session):
    """Adds the access token to requests to the gateway at `url`, and keeps it fresh. Several sessions may share it.

    `client` sends the refreshes and log-ins, if they need a proxy or certificates of your own; by default a new
    requests.Session does. It must be one that no other thread uses. The other arguments are those of Session.
    """

    def __init__(
        self,
        url: str,
        store: TokenStore | None = None,
        *,
        client: requests.Session | None = None,
        exchange: Exchange | None = None,
        retry: RetryPolicy | None = None,
        on_signed_out: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        exchange = exchange or RequestsExchange(client)
        Session.__init__(
            self, url, exchange, store, retry=retry, on_signed_out=on_signed_out, clock=clock, sleep=sleep
        )

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to `request`, and have its response handled."""
        # An Authorization field that the caller gave stays, and its refusal is for the caller.
        if "Authorization" in request.headers or not self.takes_token(request.url or ""):
            return request
        flow, body = RequestFlow(self), _Body(request)
        self._wait(self.renewal_before(is_replayable=body.is_replayable), request)
        _authorize(request, flow)

        def handle(response: requests.Response, **options: Any) -> requests.Response:
            try:
                return self._handle(response, flow, body, options)
            except BaseException:
                response.close()  # nobody else has it
                raise

        request.hooks["response"].append(handle)
        return request

    def _handle(
        self, response: requests.Response, flow: RequestFlow, body: "_Body", options: dict[str, Any]
    ) -> requests.Response:
        """Send the request of `response` again where RequestFlow decides so. Redirects come here too."""
        while True:
            request = response.request
            match flow.after(_received(response), is_replayable=body.is_replayable_in(request)):
                case Pause(seconds):
                    self._sleep(seconds)
                    if not flow.is_same_login:
                        return response
                case Renew(renewal):
                    self._wait(renewal, request)
                    if not self.is_signed_in or not flow.is_same_login:
                        return response
                case None:
                    return response
            response = _send_again(response, body, flow, options)

    def _wait(self, renewal: Future[str | None] | None, request: requests.PreparedRequest) -> None:
        if renewal is None:
            return
        try:
            wait_for(renewal, self)
        except errors.NetworkError as error:
            raise NetworkError(str(error), request=request) from error


class RequestsExchange:
    """Sends the calls of a session with `client`, or with a new requests.Session each."""

    def __init__(self, client: requests.Session | None = None) -> None:
        self._client = client

    def post(self, url: str, document: Mapping[str, str], timeout: float) -> Answer:
        """POST `document` as JSON. Raises NetworkError."""
        try:
            if self._client is not None:
                return self._post(self._client, url, document, timeout)
            with requests.Session() as client:
                return self._post(client, url, document, timeout)
        except (requests.RequestException, OSError) as error:
            raise errors.NetworkError(f"{url}: {error}") from error

    def _post(self, client: requests.Session, url: str, document: Mapping[str, str], timeout: float) -> Answer:
        # An auth of its own: the request must not get that of the client, nor the password of a .netrc file.
        response = client.post(url, json=document, timeout=timeout, allow_redirects=False, auth=_unchanged)
        return Answer(response.status_code, response.headers, response.content)


class _Body:
    """The body of a request, and how it is read a second time."""

    def __init__(self, request: requests.PreparedRequest) -> None:
        body: Any = request.body  # the types name neither files nor generators
        self._body = body
        self._position: int | None = None
        if hasattr(body, "seekable") and body.seekable():
            self._position = body.tell()
        self.is_replayable = self._position is not None or isinstance(body, bytes | str | None)

    def is_replayable_in(self, request: requests.PreparedRequest) -> bool:
        """Return whether the body of `request` can be sent again. After a redirect it may have none."""
        return request.body is None or self.is_replayable

    def rewind(self, request: requests.PreparedRequest) -> None:
        """Prepare the body of `request` for being sent again. Raises BodyNotReplayable."""
        if not self.is_replayable_in(request):
            raise BodyNotReplayable
        if self._position is not None:
            self._body.seek(self._position)


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _authorize(request: requests.PreparedRequest, flow: RequestFlow) -> None:
    request.headers.pop("Authorization", None)
    authorization = flow.authorization(request.url or "")
    if authorization is not None:
        request.headers["Authorization"] = authorization


def _received(response: requests.Response) -> ReceivedResponse:
    request = response.request
    authorization = request.headers.get("Authorization")
    return ReceivedResponse(
        request.method or "", request.url or "", authorization, response.status_code, response.headers
    )


def _send_again(
    response: requests.Response, body: _Body, flow: RequestFlow, options: dict[str, Any]
) -> requests.Response:
    """Send the request of `response` with the current token, as requests' own HTTPDigestAuth does."""
    _ = response.content  # reads the response to its end, so that its connection can be used again
    response.close()
    request = response.request.copy()
    body.rewind(request)
    _update_cookies(request, response)
    _authorize(request, flow)
    again = response.connection.send(request, **options)
    again.history.append(response)
    again.request = request
    return again


def _update_cookies(request: Any, response: requests.Response) -> None:
    """Add the cookies that `response` sets. The jar of a prepared request is private; HTTPDigestAuth uses it too."""
    extract_cookies: Any = extract_cookies_to_jar
    extract_cookies(request._cookies, response.request, response.raw)
    request.headers.pop("Cookie", None)
    request.prepare_cookies(request._cookies)
