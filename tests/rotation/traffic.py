"""Clients that hold their tokens in each of the three ways, log in by a form, and use tickets.

Each request of a client goes to another gateway than the one before, and each gateway has an auth service of its own.
So every token is verified by a process that has not issued it.
"""

import asyncio
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx

from contract.jws import read_unverified
from tests.faults.support.steady_traffic import COOKIE, SAME_ORIGIN, open_browser_session
from tests.system.support.running_stack import Account, Client, Tokens

Send = Callable[..., Coroutine[Any, Any, httpx.Response]]

PAUSE = 0.25
"""Mean seconds between two requests of a client."""

AHEAD = 20.0
"""Seconds before its access token expires that an app refreshes. A request may wait for long on a busy machine."""

PAGE_HEADERS = {name.replace("_", "-"): value for name, value in SAME_ORIGIN.items()}


class RotatingTraffic:
    """Traffic in a background thread while the `with` block runs. `failures` are responses that nobody expects."""

    def __init__(self, *urls: str, clients: int = 3) -> None:
        self._urls = list(urls)
        self._clients = clients
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic", daemon=True)
        self._lives: list[Callable[[Send], Coroutine[Any, Any, None]]] = []
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def __enter__(self) -> "RotatingTraffic":
        client = Client(self._urls[0])
        account = client.register()
        for _ in range(self._clients):
            app, device = client.login(account), client.login(account)
            handle = open_browser_session(client, account)
            self._lives += [
                partial(self._app, tokens=app),
                partial(self._device, tokens=device),
                partial(self._browser, handle=handle),
            ]
        self._lives += [
            partial(self._log_in_and_out, account=account),
            partial(self._form, account=account),
        ]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def run_for(self, seconds: float) -> None:
        """Wait; the time must really pass, because processes look at the files of secrets once a second."""
        time.sleep(seconds)

    async def _run(self) -> None:
        await asyncio.gather(*map(self._live, self._lives))

    async def _live(self, life: Callable[[Send], Coroutine[Any, Any, None]]) -> None:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30)) for url in self._urls
            ]
            turns = itertools.cycle(clients)

            async def send(kind: str, method: str, path: str, expected: int = 200, **parts: Any) -> httpx.Response:
                await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))
                client = next(turns)
                # A stream is closed when its head has come; other responses are read whole.
                async with client.stream(method, path, **parts) as response:
                    if "event-stream" not in response.headers.get("content-type", ""):
                        await response.aread()
                client.cookies.clear()
                self._count(kind, f"{method} {path.partition('?')[0]}", response, expected)
                return response

            while not self._stopping.is_set():
                try:
                    await life(send)
                except httpx.HTTPError as error:
                    self._fail(f"{type(error).__name__}: {error}")

    def _fail(self, failure: str) -> None:
        print(time.strftime("%X"), failure)  # noqa: T201 - shown by `make test-rotation` when it happens
        self.failures.append(failure)

    def _count(self, kind: str, request: str, response: httpx.Response, expected: int) -> None:
        self.counts[f"{kind} {response.status_code}"] += 1
        if response.status_code != expected:
            self._fail(f"{kind}: {request} {response.status_code} {response.text[:200]!r}")

    async def _app(self, send: Send, tokens: Tokens) -> None:
        """Live with tokens that the client refreshes itself."""
        access, refresh = tokens.access, tokens.refresh
        paths = itertools.cycle(["/api/whoami", "/auth/users/me/", "/api/whoami", "/api/notes/"])
        while not self._stopping.is_set():
            if read_unverified(access)["exp"] < time.time() + AHEAD:
                refreshed = await send("app", "POST", "/auth/jwt/refresh/", json={"refresh": refresh})
                if refreshed.status_code != 200:
                    continue
                access, refresh = refreshed.json()["access"], refreshed.json()["refresh"]
                await send("app", "POST", "/auth/jwt/verify/", json={"token": refresh})
            await send("app", "GET", next(paths), headers=_bearer(access))

    async def _device(self, send: Send, tokens: Tokens) -> None:
        """Live with tokens that the gateway refreshes."""
        access, refresh = tokens.access, tokens.refresh
        while not self._stopping.is_set():
            for path in ("/api/whoami", "/auth/users/me/"):
                headers = {**_bearer(access), "X-Refresh-Token": refresh}
                response = await send("device", "GET", path, headers=headers)
                access = response.headers.get("x-access-token", access)
                refresh = response.headers.get("x-refresh-token", refresh)

    async def _browser(self, send: Send, handle: str) -> None:
        """Live with a cookie; open the account page, and an event stream with a ticket."""
        headers = {**PAGE_HEADERS, "Cookie": f"{COOKIE}={handle}"}
        for path in ("/api/whoami", "/session/", "/auth/users/me/", "/auth/account/"):
            await send("browser", "GET", path, headers=headers)
        issued = await send("browser", "POST", "/session/ticket", headers=headers)
        if issued.status_code == 200:
            await send("ticket", "GET", f"/api/notes/events?ticket={issued.json()['ticket']}")

    async def _log_in_and_out(self, send: Send, account: Account) -> None:
        credentials = {"email": account.email, "password": account.password}
        tokens = await send("login", "POST", "/auth/jwt/create/", json=credentials)
        if tokens.status_code == 200:
            await send("login", "POST", "/auth/jwt/blacklist/", json={"refresh": tokens.json()["refresh"]})

    async def _form(self, send: Send, account: Account) -> None:
        """Log in by the form of the hosted page, which needs the gateway's signed offer."""
        form = {"email": account.email, "password": account.password}
        await send("form", "POST", "/auth/login/", 303, data=form, headers=PAGE_HEADERS)


def _bearer(access: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access}"}
