"""Traffic of sessions that log in, refresh, read and write notes, and log out. Each response is recorded."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.support.connection import Connection, TimedResponse
from tests.system.support.running_stack import Account, Client

CLIENT_TIMEOUT = 10.0
"""Seconds after which a client gives up a request, closes its connection and opens another."""
SESSIONS = 12
ACCOUNTS = 3
PAUSE = 0.3
"""Mean pause of a session between two requests, in seconds: about 40 requests per second in total."""
SETTLE_SECONDS = 60.0
_KINDS = ("read", "write", "refresh")
_WEIGHTS = (5, 2, 3)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: its kind, when it was sent and when its response was received (monotonic seconds), and its status.

    Status 0: no complete response within CLIENT_TIMEOUT. `code` is that of the problem, or the network's error.
    """

    kind: str
    sent_at: float
    received_at: float
    status: int
    code: str = ""

    @property
    def is_failure(self) -> bool:
        """Return whether the client did not get what it asked for."""
        return not 200 <= self.status < 300


@dataclass(slots=True)
class _Session:
    account: Account
    access: str = ""
    refresh: str = ""
    spent: list[tuple[float, str]] = field(default_factory=list)
    """Refresh tokens whose successor was used, with the time since which the server knows it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What clients saw since a moment: `began` is the time of the fault, in monotonic seconds."""

    began: float
    outcomes: Sequence[Outcome]

    @property
    def failures(self) -> list[Outcome]:
        """Return the requests that failed."""
        return [outcome for outcome in self.outcomes if outcome.is_failure]

    @property
    def share(self) -> float:
        """Return the share of requests that failed."""
        return len(self.failures) / len(self.outcomes)

    @property
    def window(self) -> float:
        """Return the seconds from the fault until the last request that failed was sent; 0 without one."""
        return max(max((outcome.sent_at for outcome in self.failures), default=self.began) - self.began, 0)

    def since(self, began: float) -> "Report":
        """Return the report of the requests that were sent after a later moment."""
        return Report(began, [outcome for outcome in self.outcomes if outcome.sent_at >= began])

    def __str__(self) -> str:
        kinds = Counter(f"{one.kind} {one.status} {one.code}".strip() for one in self.failures)
        failed = ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common())
        slowest = max((one.received_at - one.sent_at for one in self.outcomes), default=0)
        return (
            f"{len(self.outcomes)} requests, {len(self.failures)} failed ({self.share:.1%}), the last one sent"
            f" {self.window:.1f} s after the fault, slowest {slowest:.1f} s" + (f" [{failed}]" if failed else "")
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of the sessions: how many were logged out, and how many spent or ended tokens were accepted."""

    sessions: int
    logged_out: int
    spent_tokens: int
    revived: int
    ended_sessions: int


class Traffic:
    """Sessions at the edge, in a background thread while the `with` block runs.

    A session whose refresh fails keeps its token and tries again, as clients do.
    """

    def __init__(self, url: str, grace: float) -> None:
        self._url = url
        self._grace = grace
        self._outcomes: list[Outcome] = []
        self._logged_out = 0
        self._stopping = threading.Event()
        self._ended: list[_Session] = []
        accounts = [Client(url).register() for _ in range(ACCOUNTS)]
        self._sessions = [_Session(accounts[number % ACCOUNTS]) for number in range(SESSIONS)]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)

    def __enter__(self) -> "Traffic":
        for session in self._sessions:
            tokens = Client(self._url).login(session.account)
            session.access, session.refresh = tokens.access, tokens.refresh
        self._thread.start()
        self.run_for(2)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(CLIENT_TIMEOUT * 3)
        assert not self._thread.is_alive()

    def run_for(self, seconds: float) -> None:
        """Let the traffic go on: time must really pass for a fault to show."""
        time.sleep(seconds)

    def since(self, began: float) -> Report:
        """Return what was sent since `began`, and what was in progress then."""
        return Report(began, [outcome for outcome in tuple(self._outcomes) if outcome.received_at >= began])

    def verdict(self) -> Verdict:
        """Stop the traffic and try what must and what must not be accepted. Call it when all faults are repaired."""
        self.__exit__()
        return asyncio.run(self._try_tokens())

    # -- sessions ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        await asyncio.gather(*(self._use(session) for session in self._sessions), self._come_and_go())

    async def _use(self, session: _Session) -> None:
        async with Connection(self._url, CLIENT_TIMEOUT) as connection:
            while not self._stopping.is_set():
                await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))
                match random.choices(_KINDS, _WEIGHTS)[0]:
                    case "read":
                        await self._send(connection, "read", "GET", "/api/notes/", access=session.access)
                    case "write":
                        note = {"title": "a note"}
                        await self._send(
                            connection, "write", "POST", "/api/notes/", access=session.access, document=note
                        )
                    case _:
                        await self._refresh(connection, session)

    async def _refresh(self, connection: Connection, session: _Session) -> int:
        """Refresh once and return the status. A 401 means that the session is logged out."""
        used = session.refresh
        document = {"refresh": used}
        response = await self._send(connection, "refresh", "POST", "/auth/jwt/refresh/", document=document)
        if response.status == 200:
            session.access, session.refresh = response.document["access"], response.document["refresh"]
            # `used` counts as spent when its successor is used: until then it is kept for a lost response.
            session.spent = [(moment or time.monotonic(), token) for moment, token in session.spent]
            session.spent.append((0.0, used))
        elif response.status == 401:
            self._logged_out += 1
        return response.status

    async def _come_and_go(self) -> None:
        """Log in, read, and log out, again and again: sessions that must stay ended."""
        account = self._sessions[0].account
        credentials = {"email": account.email, "password": account.password}
        async with Connection(self._url, CLIENT_TIMEOUT) as connection:
            while not self._stopping.is_set():
                await asyncio.sleep(random.uniform(0.5, 1.5))
                response = await self._send(connection, "login", "POST", "/auth/jwt/create/", document=credentials)
                if response.status != 200:
                    continue
                session = _Session(account, response.document["access"], response.document["refresh"])
                await self._send(connection, "read", "GET", "/api/notes/", access=session.access)
                document = {"refresh": session.refresh}
                ended = await self._send(connection, "logout", "POST", "/auth/jwt/blacklist/", document=document)
                if ended.status == 200:
                    self._ended.append(session)

    async def _send(
        self, connection: Connection, kind: str, method: str, path: str, *, access: str = "", document: object = None
    ) -> TimedResponse:
        sent_at = time.monotonic()
        response = await connection.request(method, path, access=access, document=document)
        self._outcomes.append(Outcome(kind, sent_at, time.monotonic(), response.status, _code(response)))
        return response

    # -- the verdict ---------------------------------------------------------------------------------------------

    async def _try_tokens(self) -> Verdict:
        revived = spent = 0
        async with Connection(self._url, CLIENT_TIMEOUT) as connection:
            for session in self._sessions:
                await self._settle(connection, session)
            # One spent token per session: the first replay ends the session.
            for session in self._sessions:
                for token in _long_spent(session, self._grace):
                    spent += 1
                    revived += await self._is_accepted(connection, token)
            for session in self._ended:
                revived += await self._is_accepted(connection, session.refresh)
                revived += not await self._is_refused_at_last(connection, session.access)
        return Verdict(len(self._sessions), self._logged_out, spent, revived, len(self._ended))

    async def _settle(self, connection: Connection, session: _Session) -> None:
        """Refresh until the server answers 200 or 401; a 401 counts as a log-out."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while await self._refresh(connection, session) not in (200, 401):
            assert time.monotonic() < deadline, f"no refresh within {SETTLE_SECONDS} s"
            await asyncio.sleep(0.2)

    async def _is_accepted(self, connection: Connection, refresh: str) -> bool:
        response = await connection.request("POST", "/auth/jwt/refresh/", document={"refresh": refresh})
        assert response.status in (200, 401), response.body
        return response.status == 200

    async def _is_refused_at_last(self, connection: Connection, access: str) -> bool:
        """Return whether the access token of an ended session is refused; revocations may be a second late."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (await connection.request("GET", "/api/whoami", access=access)).status != 401:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.2)
        return True


def _long_spent(session: _Session, grace: float) -> Iterator[str]:
    """Return the newest token that was spent longer ago than the grace time, if there is one."""
    limit = time.monotonic() - grace - 1
    found = [token for moment, token in session.spent if 0 < moment < limit]
    yield from found[-1:]


def _code(response: TimedResponse) -> str:
    if response.status < 400:
        return response.body.decode() if response.status == 0 else ""
    try:
        return str(json.loads(response.body).get("code", ""))
    except ValueError:
        return ""
