"""Background traffic: about fifty requests per second by clients of every kind, and their responses."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults.support.connection import Connection, TimedResponse
from tests.system.support.running_stack import Account, Client, Tokens

WHOAMI, REFRESH, LOGIN, BROWSER = "whoami", "refresh", "login", "browser"
KINDS = (WHOAMI, REFRESH, LOGIN, BROWSER)

COOKIE = "__Host-session"
SAME_ORIGIN = {"X_Requested_With": "tests", "Sec_Fetch_Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: its kind, when its response was received (monotonic seconds), and the response."""

    kind: str
    received_at: float
    response: TimedResponse


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """The outcomes of requests in a period."""

    outcomes: Sequence[Outcome]

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """Return the number of requests by kind and status; status 0 means no complete response."""
        return Counter((outcome.kind, outcome.response.status) for outcome in self.outcomes)

    def statuses(self, *kinds: str) -> set[int]:
        """Return the statuses of these kinds of requests; of all kinds by default."""
        return {outcome.response.status for outcome in self.outcomes if outcome.kind in (kinds or KINDS)}

    def responses(self, status: int) -> list[TimedResponse]:
        """Return the responses with this status."""
        return [outcome.response for outcome in self.outcomes if outcome.response.status == status]

    def slowest(self, *kinds: str) -> float:
        """Return the longest duration in seconds."""
        return max(outcome.response.seconds for outcome in self.outcomes if outcome.kind in (kinds or KINDS))

    def failures(self) -> str:
        """Return up to ten responses other than 200 as text, without tokens."""
        failed = [outcome for outcome in self.outcomes if outcome.response.status != 200]
        return "\n".join(f"{one.kind} {one.response.status} {one.response.body[:200]!r}" for one in failed[:10])

    def __str__(self) -> str:
        counts = "  ".join(f"{kind} {status}: {count}" for (kind, status), count in sorted(self.counts.items()))
        return f"{counts}  slowest {self.slowest() * 1000:.0f} ms"


class SteadyTraffic:
    """Traffic in a background thread while the `with` block runs.

    A client whose refresh fails keeps its token and tries again.
    """

    def __init__(self, *urls: str) -> None:
        self._urls = urls
        self._outcomes: list[Outcome] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)
        self._clients: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def __enter__(self) -> "SteadyTraffic":
        for url in self._urls:
            self._add_clients(Client(url), url)
        self._thread.start()
        self.run_for(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(40)
        assert not self._thread.is_alive()

    def run_for(self, seconds: float) -> TrafficReport:
        """Wait `seconds` and return the outcomes of that period; the time must really pass for a fault to show."""
        began = time.monotonic()
        time.sleep(seconds)
        return self.since(began)

    def since(self, began: float) -> TrafficReport:
        """Return the outcomes since `began` (monotonic seconds)."""
        return TrafficReport([outcome for outcome in tuple(self._outcomes) if outcome.received_at >= began])

    def _add_clients(self, client: Client, url: str) -> None:
        # Requests per second in total: 4 x 8 whoami, 8 refreshes, 3 log-ins, 7 with a cookie. Each client pauses
        # longer the more gateways there are, so that the total stays the same.
        gateways = len(self._urls)
        account = client.register()
        sessions_to_use = [client.login(account) for _ in range(4)]
        sessions_to_refresh = [client.login(account) for _ in range(8)]
        handle = open_browser_session(client, account)
        self._clients += [partial(self._whoami, url, tokens, gateways / 8) for tokens in sessions_to_use]
        self._clients += [partial(self._refresh, url, tokens, gateways) for tokens in sessions_to_refresh]
        self._clients += [
            partial(self._login, url, account, gateways / 3),
            partial(self._browse, url, handle, gateways / 7),
        ]

    async def _run(self) -> None:
        await asyncio.gather(*(client() for client in self._clients))

    async def _whoami(self, url: str, tokens: Tokens, pause: float) -> None:
        await self._repeat(WHOAMI, url, pause, lambda c: c.request("GET", "/api/whoami", access=tokens.access))

    async def _login(self, url: str, account: Account, pause: float) -> None:
        document = {"email": account.email, "password": account.password}
        await self._repeat(LOGIN, url, pause, lambda c: c.request("POST", "/auth/jwt/create/", document=document))

    async def _browse(self, url: str, handle: str, pause: float) -> None:
        cookie = f"{COOKIE}={handle}"
        await self._repeat(BROWSER, url, pause, lambda c: c.request("GET", "/api/whoami", Cookie=cookie))

    async def _refresh(self, url: str, tokens: Tokens, pause: float) -> None:
        newest = tokens.refresh

        async def refresh(connection: Connection) -> TimedResponse:
            nonlocal newest
            response = await connection.request("POST", "/auth/jwt/refresh/", document={"refresh": newest})
            if response.status == 200:
                newest = response.document["refresh"]
            return response

        await self._repeat(REFRESH, url, pause, refresh)

    async def _repeat(
        self, kind: str, url: str, pause: float, send: Callable[[Connection], Awaitable[TimedResponse]]
    ) -> None:
        async with Connection(url) as connection:
            while not self._stopping.is_set():
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                response = await send(connection)
                self._outcomes.append(Outcome(kind, time.monotonic(), response))


def open_browser_session(client: Client, account: Account) -> str:
    """Log in as a browser does, and return the session handle of the cookie."""
    headers = {name.replace("_", "-"): value for name, value in SAME_ORIGIN.items()}
    credentials = {"email": account.email, "password": account.password}
    response = client.send("POST", "/session/", headers=headers, json=credentials)
    assert response.status_code == 200, response.text
    handle = response.cookies.get(COOKIE)
    assert handle is not None
    # The client would send the cookie together with its bearer tokens.
    client.http.cookies.clear()
    return handle
