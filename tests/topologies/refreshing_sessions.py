"""Sessions that refresh and use their tokens without pause, from several threads."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import requests

from tests.system.support.running_stack import Tokens

THREADS = 4
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: its kind, when its response was received (monotonic seconds), and its status; 0 is no response."""

    kind: str
    received_at: float
    status: int


@dataclass(slots=True)
class RefreshedSession:
    """A session, with its current tokens and the refresh tokens that it has used, the oldest first."""

    tokens: Tokens
    used: list[str] = field(default_factory=list)


class RefreshingSessions:
    """Refresh each session in turn, and then request with its access token, while the `with` block runs.

    A session whose refresh fails keeps its token and uses it again, as clients do.
    """

    def __init__(self, url: str, sessions: Sequence[Tokens]) -> None:
        self._url = url
        self.sessions = [RefreshedSession(tokens) for tokens in sessions]
        self.outcomes: list[Outcome] = []
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(self.sessions[number::THREADS],), daemon=True)
            for number in range(THREADS)
        ]

    def __enter__(self) -> "RefreshingSessions":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(_TIMEOUT * 2)
            assert not thread.is_alive()

    def refreshes(self) -> int:
        """Return the number of successful refreshes so far."""
        return sum(one.kind == "refresh" and one.status == 200 for one in list(self.outcomes))

    def _run(self, sessions: Sequence[RefreshedSession]) -> None:
        with requests.Session() as http:
            http.trust_env = False
            while not self._stopping.is_set():
                for session in sessions:
                    self._refresh(http, session)
                    self._send(http, "whoami", "GET", "/api/whoami", session.tokens.access)

    def _refresh(self, http: requests.Session, session: RefreshedSession) -> None:
        refresh = session.tokens.refresh
        response = self._send(http, "refresh", "POST", "/auth/jwt/refresh/", document={"refresh": refresh})
        if response is not None and response.status_code == 200:
            session.tokens = Tokens(response.json()["access"], response.json()["refresh"])
            session.used.append(refresh)

    def _send(
        self,
        http: requests.Session,
        kind: str,
        method: str,
        path: str,
        access: str = "",
        document: dict[str, str] | None = None,
    ) -> requests.Response | None:
        headers = {"Authorization": f"Bearer {access}"} if access else {}
        try:
            response = http.request(method, self._url + path, headers=headers, json=document, timeout=_TIMEOUT)
        except requests.RequestException:
            response = None
        self.outcomes.append(Outcome(kind, time.monotonic(), response.status_code if response is not None else 0))
        return response
