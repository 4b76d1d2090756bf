"""A session at the gateway: log in and out, and keep the access token fresh."""

import os
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from sallyport_client.errors import NetworkError
from sallyport_client.exchange import Answer, Exchange
from sallyport_client.origin import Origin
from sallyport_client.renewal import Renewals
from sallyport_client.retry_policy import UNAVAILABLE, RetryPolicy, retry_after_in
from sallyport_client.token_keeper import TokenKeeper
from sallyport_client.tokens import MemoryStore, Tokens, TokenStore

_SESSIONS: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Session:
    """One user's session at the gateway with address `url`. It may be used by any number of threads and tasks.

    `on_signed_out` is called in the thread of the refresh when the server has ended the session (401), never for
    another reason. `clock` returns seconds that never go back; `sleep` waits for seconds.
    """

    def __init__(
        self,
        url: str,
        exchange: Exchange,
        store: TokenStore | None = None,
        *,
        retry: RetryPolicy | None = None,
        on_signed_out: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.retry = retry or RetryPolicy()
        self._origin = Origin(url)
        self.url = self._origin.url
        self._exchange = exchange
        self._on_signed_out = on_signed_out
        self._clock = clock
        self._sleep = sleep
        self._keeper = TokenKeeper(store or MemoryStore(), clock)
        self.longest_wait = self.retry.total_seconds + 2 * self.retry.attempt_seconds
        """Seconds after which nobody waits for a refresh any longer, even if its answer comes byte by byte."""
        self._renewals = Renewals(self._refresh, lambda: self.access_token, self.longest_wait, clock)
        _SESSIONS.add(self)

    @property
    def is_signed_in(self) -> bool:
        """Return whether there are tokens. They may have been refused by a server that was not asked since."""
        return self._keeper.held is not None

    @property
    def access_token(self) -> str | None:
        """Return the current access token, which may have expired; None without a session."""
        held = self._keeper.held
        return held.tokens.access if held else None

    def register(
        self, email: str, password: str, *, first_name: str = "", last_name: str = "", log_in: bool = True
    ) -> dict[str, Any]:
        """Create an account, log in (without `log_in=False`), and return the user. Raises ApiError or NetworkError.

        Where the server sends activation mails, pass `log_in=False`.
        """
        document = {"email": email, "password": password, "first_name": first_name, "last_name": last_name}
        user = self._post_once("/auth/users/", document)
        if log_in:
            self.log_in(email, password)
        return user.document

    def log_in(self, email: str, password: str) -> None:
        """Log in and store the tokens. Raises ApiError (401: wrong credentials), NetworkError or StoreError."""
        answer = self._post_once("/auth/jwt/create/", {"email": email, "password": password})
        tokens = _tokens_of(answer.document)
        if tokens is None:
            raise NetworkError(f"{self.url}: the response to the log-in contains no tokens")
        self._keeper.log_in(tokens)

    def log_out(self) -> bool:
        """Remove the tokens, then end the session at the server. Return whether the server confirmed it.

        The tokens are removed even if the server cannot be reached. Raises StoreError if they could not be removed.
        """
        tokens = self._keeper.log_out()
        if tokens is None:
            return True
        try:
            answer = self._post("/auth/jwt/blacklist/", lambda: tokens.refresh, "refresh")
        except NetworkError:
            return False
        # 401: the session has ended before.
        return answer is not None and answer.status in (200, 401)

    def verify(self) -> bool:
        """Ask the server whether the session is alive. Changes nothing. Raises ApiError or NetworkError."""
        held = self._keeper.synchronize()
        if held is None:
            return False
        answer = self._post("/auth/jwt/verify/", lambda: held.tokens.refresh, "token")
        if answer is None or answer.status in (400, 401):
            return False
        return _accepted(answer).status == 200

    def refresh(self) -> bool:
        """Replace both tokens now. Return False if the session has ended. Raises ApiError or NetworkError."""
        renewal = self._renewals.join(self.access_token)
        return self.is_signed_in if renewal is None else wait_for(renewal, self) is not None

    def takes_token(self, url: str) -> bool:
        """Return whether requests to `url` get the access token: those to the gateway, except to /auth/jwt/."""
        return self._origin.takes_token(url)

    @property
    def is_token_received(self) -> bool:
        """Return whether the server returned the access token to this process, and not to one that stored it."""
        held = self._keeper.held
        return held is not None and held.received_at is not None

    @property
    def logins(self) -> int:
        """Return a number that changes when the user logs in or out, or another user does in another process."""
        return self._keeper.logins

    def renewal_after(self, refused: str | None) -> Future[str | None] | None:
        """Return the renewal for a request whose token was refused; its result is None if the session has ended.

        None if the token was replaced since the request was sent: no refresh is started then.
        """
        return self._renewals.join(refused)

    def renewal_before(self, *, is_replayable: bool) -> Future[str | None] | None:
        """Return the renewal that a request waits for before it is sent, None if it need not wait.

        An access token in the last tenth of its lifetime is refreshed while requests go on with it. Requests wait
        if it has expired, or if it may have and the request cannot be sent twice.
        """
        held, now = self._keeper.held, self._clock()
        if held is None:
            return None
        if held.received_at is None:
            return None if is_replayable else self._renewals.join(held.tokens.access)
        if not held.is_due(now):
            return None
        renewal = self._renewals.join(held.tokens.access)
        return renewal if held.is_expired(now) or not is_replayable else None

    def after_fork(self) -> None:
        """Make the session usable in a forked process."""
        self._keeper.renew_lock()
        self._renewals.reset()

    def _refresh(self) -> str | None:
        """Refresh once. Return the new access token, None without a session. Raises ApiError or NetworkError."""
        logins, before = self._keeper.logins, self._keeper.held
        sent: list[Tokens] = []

        def newest_refresh_token() -> str | None:
            # Before every attempt: another process may have refreshed or logged out meanwhile.
            held = self._keeper.synchronize()
            if held is None or held != before:
                return None
            sent.append(held.tokens)
            return held.tokens.refresh

        answer = self._post("/auth/jwt/refresh/", newest_refresh_token, "refresh", is_complete=_has_tokens)
        if answer is None:
            return self.access_token
        if answer.status == 401:
            if self._keeper.refuse(sent[-1], logins) and self._on_signed_out:
                self._on_signed_out()
            return self.access_token
        tokens = _tokens_of(_accepted(answer).document, sent[-1].refresh)
        if tokens is not None:
            self._keeper.replace(tokens, logins)
        return self.access_token

    def _post_once(self, path: str, document: Mapping[str, str]) -> Answer:
        """POST what must not be done twice. Raises ApiError or NetworkError."""
        return _accepted(self._exchange.post(self.url + path, document, self.retry.attempt_seconds))

    def _post(
        self,
        path: str,
        token: Callable[[], str | None],
        name: str,
        is_complete: Callable[[Answer], bool] = lambda answer: True,
    ) -> Answer | None:
        """POST a token until there is an answer other than "unavailable"; None when `token` returns none to send.

        Raises NetworkError when the time of the retry policy is over.
        """
        deadline = self._clock() + self.retry.total_seconds
        attempt = 0
        while (value := token()) is not None:
            retry_after = None
            try:
                answer = self._exchange.post(self.url + path, {name: value}, self.retry.attempt_seconds)
            except NetworkError as error:
                problem = error
            else:
                if answer.status not in UNAVAILABLE and is_complete(answer):
                    return answer
                problem = NetworkError(f"{self.url}{path} responded with {answer.status} and no tokens")
                retry_after = retry_after_in(answer.headers)
            pause = self.retry.pause(attempt, retry_after)
            if self._clock() + pause > deadline:
                raise problem
            self._sleep(pause)
            attempt += 1
        return None


def wait_for(renewal: Future[str | None], session: Session) -> str | None:
    """Wait for a renewal in this thread. Raises NetworkError or ApiError."""
    try:
        return renewal.result(session.longest_wait)
    except TimeoutError:
        raise NetworkError(f"{session.url} did not complete the refresh") from None


def _tokens_of(document: Mapping[str, Any], refresh: str | None = None) -> Tokens | None:
    """Return the tokens of a response; `refresh` if it has an access token only (a server without rotation)."""
    access, refresh = document.get("access"), document.get("refresh", refresh)
    return Tokens(access, refresh) if isinstance(access, str) and isinstance(refresh, str) else None


def _has_tokens(answer: Answer) -> bool:
    """Return whether a refresh was answered by the auth service, and not with 200 by the log-in page of a network."""
    return not 200 <= answer.status < 400 or _tokens_of(answer.document, "") is not None


def _accepted(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise answer.error
    return answer


def _after_fork() -> None:
    for session in list(_SESSIONS):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
