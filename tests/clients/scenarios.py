"""Scenarios such as a lost refresh or two tabs, played with any client against any server with djoser's API."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.auth_service.forge import claims_of
from tests.clients.backends import FORBIDDEN_PATH, Backend
from tests.clients.client_process import PATIENCE, ForeignClient, foreign_client
from tests.clients.recording_proxy import LOSE, UNAVAILABLE, RecordingProxy, recording_proxy
from tests.system.support.running_stack import PASSWORD

ME = "/auth/users/me/"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client experienced. A status is a number, 0 without a response, or "hung"."""

    statuses: list[Any]
    refreshes: list[int]
    """The statuses of the refreshes that the client sent, 0 for a lost response."""
    signed_in: bool
    after: Any = None
    """The status of one more request at the end."""


@dataclass(slots=True)
class Stage:
    """A client with an account of its own, a proxy between it and the server, and its browser's storage."""

    name: str
    backend: Backend
    proxy: RecordingProxy
    client: ForeignClient
    storage: Path
    email: str
    pair: dict[str, str] = field(default_factory=dict)
    """The tokens that the server sent last."""

    @property
    def credentials(self) -> dict[str, str]:
        """Return what the user types."""
        return {"email": self.email, "password": PASSWORD}

    def log_in(self) -> None:
        """Log in, and forget the exchanges so far."""
        assert self.client.call("logIn", **self.credentials)["status"] == 200
        self.pair = self.proxy.last_pair()
        self.proxy.forget()

    def log_in_and_expire(self) -> None:
        """Log in, and wait until the access token has expired."""
        self.log_in()
        self.wait_for_expiry()

    def wait_for_expiry(self) -> None:
        """Wait until the access token that the client has got last has expired."""
        expiry = claims_of(self.pair["access"])["exp"]
        time.sleep(max(0.0, expiry - time.time() + 0.1))

    def end_session(self) -> None:
        """End the session from another device."""
        response = requests.post(
            f"{self.backend.url}/auth/jwt/blacklist/", json={"refresh": self.pair["refresh"]}, timeout=30
        )
        assert response.status_code == 200, response.text

    def see(self, statuses: list[Any], *, after: bool = True) -> Outcome:
        """Return the outcome, with one more request of the client at the end."""
        refreshes = self.proxy.refreshes()
        signed_in = self.client.is_signed_in
        return Outcome(statuses, refreshes, signed_in, self.client.request()["status"] if after else None)


@contextmanager
def stage(name: str, backend: Backend, folder: Path, patience: float = PATIENCE) -> Iterator[Stage]:
    """Start the client `name` with a registered account."""
    with recording_proxy(backend.url) as proxy:
        storage = folder / f"{uuid.uuid4().hex}.json"
        email = f"{uuid.uuid4().hex}@example.com"
        with foreign_client(name, proxy.url, storage) as client:  # it may take a while to start
            assert client.call("register", email=email, password=PASSWORD)["status"] == 201
            client.patience = patience
            yield Stage(name, backend, proxy, client, storage, email)


def first_steps(play: Stage) -> Outcome:
    """A wrong password, the right one, the user's own data, and a path that the user may not request."""
    wrong = play.client.call("logIn", email=play.email, password="not the password")
    right = play.client.call("logIn", **play.credentials)
    return play.see([wrong["status"], right["status"], play.client.request()["status"]])


def forbidden(play: Stage) -> Outcome:
    """A request for which the user lacks a role."""
    play.log_in()
    return play.see([play.client.request(FORBIDDEN_PATH)["status"]])


def five_at_expiry(play: Stage) -> Outcome:
    """Five requests in parallel when the access token has expired."""
    play.log_in_and_expire()
    return play.see(play.client.requests(5))


def lost_refresh(play: Stage) -> Outcome:
    """The response of a refresh is lost; the user tries again."""
    play.log_in_and_expire()
    play.proxy.play(LOSE)
    return play.see([play.client.request()["status"], play.client.request()["status"]])


def ended_session(play: Stage) -> Outcome:
    """The session was ended elsewhere; five requests in parallel."""
    play.log_in_and_expire()
    play.end_session()
    return play.see(play.client.requests(5))


def log_out(play: Stage) -> Outcome:
    """The user logs out, and a thief tries the access and the refresh token. One status each."""
    play.log_in()
    done = play.client.call("logOut")
    play.pair = play.proxy.last_pair() or play.pair  # a page that refreshes first has newer ones
    headers = {"Authorization": f"Bearer {play.pair['access']}"}
    deadline = time.monotonic() + 1.0  # a log-out takes effect within a second
    while (access := requests.get(play.backend.url + ME, headers=headers, timeout=30)).status_code == 200:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    body = {"refresh": play.pair["refresh"]}
    refresh = requests.post(f"{play.backend.url}/auth/jwt/refresh/", json=body, timeout=30)
    return play.see([done["status"], access.status_code, refresh.status_code], after=False)


def unavailable_refresh(play: Stage) -> Outcome:
    """The server is overloaded for a moment: 503 with Retry-After for one refresh; the user tries again."""
    play.log_in_and_expire()
    play.proxy.play(UNAVAILABLE)
    return play.see([play.client.request()["status"], play.client.request()["status"]])


def two_tabs(play: Stage) -> Outcome:
    """Two tabs share the tokens, and both refresh at the same moment. Then one more request in each."""
    play.log_in()
    with foreign_client(play.name, play.proxy.url, play.storage, play.client.patience) as other:
        other.call("state")  # it has started
        play.wait_for_expiry()
        play.proxy.gather(2)
        started = [play.client.start("request", path=ME), other.start("request", path=ME)]
        statuses = [each["status"] for each in play.client.wait(started)]
        return play.see([*statuses, other.request()["status"]])


SCENARIOS = {
    "first steps": first_steps,
    "forbidden path": forbidden,
    "five requests at expiry": five_at_expiry,
    "lost refresh response": lost_refresh,
    "session ended elsewhere": ended_session,
    "log-out": log_out,
    "503 at refresh": unavailable_refresh,
    "two tabs at expiry": two_tabs,
}
