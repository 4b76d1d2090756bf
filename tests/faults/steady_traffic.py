"""Honest clients of every kind, about fifty requests per second, and counts of their responses."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults.connection import Answer, Connection
from tests.system.running_stack import Account, Client, Tokens

WHOAMI, REFRESH, LOGIN, BROWSER = "whoami", "refresh", "login", "browser"
KINDS = (WHOAMI, REFRESH, LOGIN, BROWSER)

COOKIE = "__Host-session"
SAME_ORIGIN = {"X_Requested_With": "tests", "Sec_Fetch_Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: its kind, its time and its response."""

    kind: str
    at: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class Tally:
    """The outcomes of a period."""

    outcomes: Sequence[Outcome]

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """Return the number of outcomes by kind and status; 0 stands for no complete response."""
        return Counter((outcome.kind, outcome.answer.status) for outcome in self.outcomes)

    def statuses(self, *kinds: str) -> set[int]:
        """Return the statuses that occurred."""
        return {outcome.answer.status for outcome in self.outcomes if outcome.kind in (kinds or KINDS)}

    def answers(self, status: int) -> list[Answer]:
        """Return the outcomes with this status."""
        return [outcome.answer for outcome in self.outcomes if outcome.answer.status == status]

    def slowest(self, *kinds: str) -> float:
        """Return the longest duration in seconds."""
        return max(outcome.answer.seconds for outcome in self.outcomes if outcome.kind in (kinds or KINDS))

    def wrong(self) -> str:
        """Return a description of each response that is not a 200, without tokens."""
        wrong = [outcome for outcome in self.outcomes if outcome.answer.status != 200]
        return "\n".join(f"{one.kind} {one.answer.status} {one.answer.body[:200]!r}" for one in wrong[:10])

    def __str__(self) -> str:
        counts = "  ".join(f"{kind} {status}: {count}" for (kind, status), count in sorted(self.counts.items()))
        return f"{counts}  slowest {self.slowest() * 1000:.0f} ms"


class SteadyTraffic:
    """Traffic in a thread beside a test, from the beginning of the block to its end.

    A client whose refresh fails keeps its token and tries again.
    """

    def __init__(self, *urls: str) -> None:
        self._urls = urls
        self._outcomes: list[Outcome] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)
        self._actors: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def __enter__(self) -> "SteadyTraffic":
        for url in self._urls:
            self._invite(Client(url), url)
        self._thread.start()
        self.run_for(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(40)
        assert not self._thread.is_alive()

    def run_for(self, seconds: float) -> Tally:
        """Return the outcomes of the next seconds. The time must pass, because faults take effect in it."""
        mark = time.monotonic()
        time.sleep(seconds)
        return self.since(mark)

    def since(self, mark: float) -> Tally:
        """Return the outcomes since then, by the clock of `time.monotonic`."""
        return Tally([outcome for outcome in tuple(self._outcomes) if outcome.at >= mark])

    def _invite(self, client: Client, url: str) -> None:
        share = len(self._urls)
        account = client.register()
        with_token = [client.login(account) for _ in range(4)]
        chains = [client.login(account) for _ in range(8)]
        handle = open_browser_session(client, account)
        self._actors += [partial(self._whoami, url, tokens, share / 8) for tokens in with_token]
        self._actors += [partial(self._refresh, url, tokens, share / 1) for tokens in chains]
        self._actors += [partial(self._login, url, account, share / 3), partial(self._browse, url, handle, share / 7)]

    async def _run(self) -> None:
        await asyncio.gather(*(actor() for actor in self._actors))

    async def _whoami(self, url: str, tokens: Tokens, pause: float) -> None:
        await self._repeat(WHOAMI, url, pause, lambda line: line.ask("GET", "/api/whoami", access=tokens.access))

    async def _login(self, url: str, account: Account, pause: float) -> None:
        document = {"email": account.email, "password": account.password}
        await self._repeat(LOGIN, url, pause, lambda line: line.ask("POST", "/auth/jwt/create/", document=document))

    async def _browse(self, url: str, handle: str, pause: float) -> None:
        cookie = f"{COOKIE}={handle}"
        await self._repeat(BROWSER, url, pause, lambda line: line.ask("GET", "/api/whoami", Cookie=cookie))

    async def _refresh(self, url: str, tokens: Tokens, pause: float) -> None:
        newest = tokens.refresh

        async def refresh(line: Connection) -> Answer:
            nonlocal newest
            answer = await line.ask("POST", "/auth/jwt/refresh/", document={"refresh": newest})
            if answer.status == 200:
                newest = answer.document["refresh"]
            return answer

        await self._repeat(REFRESH, url, pause, refresh)

    async def _repeat(
        self, kind: str, url: str, pause: float, act: Callable[[Connection], Awaitable[Answer]]
    ) -> None:
        async with Connection(url) as line:
            while not self._stopping.is_set():
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                answer = await act(line)
                self._outcomes.append(Outcome(kind, time.monotonic(), answer))


def open_browser_session(client: Client, account: Account) -> str:
    """Log in as a browser does and return the handle in its cookie."""
    headers = {name.replace("_", "-"): value for name, value in SAME_ORIGIN.items()}
    credentials = {"email": account.email, "password": account.password}
    answer = client.send("POST", "/session/", headers=headers, json=credentials)
    assert answer.status_code == 200, answer.text
    handle = answer.cookies.get(COOKIE)
    assert handle is not None
    # The cookie is Secure, and a client of plain http would mix it up with its tokens.
    client.http.cookies.clear()
    return handle
