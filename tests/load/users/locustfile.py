"""Simulated users of the system, for `make load`. A status that they do not expect is a failure.

Some hold tokens and refresh them at random and when they expire; some are browsers with a cookie. With
`ACCESS_TOKEN_LIFETIME=1 make run`, access tokens expire during a run, after the ten seconds of clock leeway.
"""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from locust import HttpUser, between, task

from sallyport_client import Answer, NetworkError
from sallyport_client.requests import SallyportAuth

PASSWORD = "quite a Long-ish passphrase 7"


class SimulatedUser(HttpUser):
    """A user with an account; subclasses define how the user authenticates."""

    abstract = True
    wait_time = between(0.2, 1.0)

    def on_start(self) -> None:
        """Register and log in; locust calls this when the user starts."""
        self.notes: list[str] = []
        self.email = f"{uuid.uuid4().hex}@example.com"
        self.request("POST", "/auth/users/", 201, json={"email": self.email, "password": PASSWORD})
        self.log_in()

    def on_stop(self) -> None:
        """Log out; locust calls this when the user stops."""
        self.log_out()

    def log_in(self) -> None:
        """Obtain the credentials that `send` uses."""
        raise NotImplementedError

    def log_out(self) -> None:
        """End the session."""
        raise NotImplementedError

    def send(self, method: str, path: str, expected: int, **parts: Any) -> Any:
        """Send a request with the user's credentials."""
        raise NotImplementedError

    @task(6)
    def list_notes(self) -> None:
        """Read the newest page; its count must be that of the user's notes."""
        response = self.send("GET", "/api/notes/", 200)
        if response and response["count"] != len(self.notes):
            self.fail(f"{response['count']} notes instead of {len(self.notes)}")

    @task(3)
    def write_note(self) -> None:
        """Write a new note."""
        response = self.send("POST", "/api/notes/", 201, json={"title": "A note", "body": "x" * 200})
        if response:
            self.notes.append(response["id"])

    @task(3)
    def read_note(self) -> None:
        """Read one of the user's notes."""
        if self.notes:
            self.send("GET", f"/api/notes/{self.notes[-1]}/", 200, name="/api/notes/{id}/")

    @task(1)
    def remove_note(self) -> None:
        """Delete the latest note."""
        if self.notes:
            self.send("DELETE", f"/api/notes/{self.notes.pop()}/", 204, name="/api/notes/{id}/")

    @task(1)
    def check_identity(self) -> None:
        """Check the identity that a service sees."""
        response = self.send("GET", "/api/whoami", 200)
        if response and response["email"] != self.email:
            self.fail(f"whoami returned {response['email']}")

    @task(1)
    def log_out_and_in(self) -> None:
        """Log out and in again."""
        self.log_out()
        self.log_in()

    def request(self, method: str, path: str, *expected: int, **parts: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request; return status, document and headers. An unexpected status counts as a failure."""
        with self.client.request(method, path, catch_response=True, **parts) as response:
            if response.status_code not in expected:
                response.failure(f"{response.status_code} instead of {expected}: {response.text[:200]}")
                return response.status_code, None, {}
            response.success()  # a 401 may be what was expected
            document = response.json() if response.content else None
            return response.status_code, document, response.headers

    def fail(self, problem: str) -> None:
        """Count a response with the right status and wrong content as a failure."""
        self.environment.events.request.fire(
            request_type="CHECK",
            name=type(self).__name__,
            response_time=0,
            response_length=0,
            exception=ValueError(problem),
        )


class CountedExchange:
    """Sends the refreshes and log-ins of a simulated user, so that they are part of the report."""

    def __init__(self, user: SimulatedUser) -> None:
        self._user = user

    def post(self, url: str, document: Mapping[str, str], timeout: float) -> Answer:
        """POST `document`. A status other than 200 counts as a failure. Raises NetworkError."""
        path = urlsplit(url).path
        with self._user.client.post(path, json=document, timeout=timeout, catch_response=True) as response:
            if response.status_code == 0:
                raise NetworkError(str(response.error))
            if response.status_code != 200:
                response.failure(f"{response.status_code} instead of 200: {response.text[:200]}")
            return Answer(response.status_code, response.headers, response.content)


class TokenHolder(SimulatedUser):
    """An app with sallyport-client: it holds both tokens, and refreshes when the access token has expired."""

    weight = 2

    def on_start(self) -> None:
        """Register and log in; locust calls this when the user starts."""
        self.auth = SallyportAuth(str(self.host), exchange=CountedExchange(self))
        super().on_start()

    def log_in(self) -> None:
        """Log in as djoser clients do."""
        self.auth.log_in(self.email, PASSWORD)

    def log_out(self) -> None:
        """Log out; both tokens are invalid afterwards."""
        if not self.auth.log_out():
            self.fail("the log-out was not confirmed")

    @task(1)
    def refresh(self) -> None:
        """Replace both tokens."""
        if not self.auth.refresh():
            self.fail("logged out by a refresh")

    def send(self, method: str, path: str, expected: int, **parts: Any) -> Any:
        """Send a request; if the token has expired, it is sent again with a new one."""
        _, document, _ = self.request(method, path, expected, auth=self.auth, **parts)
        return document


class Browser(SimulatedUser):
    """A browser: holds a cookie that scripts cannot read; the gateway refreshes."""

    weight = 1

    def log_in(self) -> None:
        """Log in and store the cookie by hand: this client sends no `__Host-` cookie over plain http."""
        credentials = {"email": self.email, "password": PASSWORD}
        _, _, header = self.request("POST", "/session/", 200, json=credentials, headers=self._page_headers())
        self.cookie = header.get("Set-Cookie", "").partition(";")[0]
        self.client.cookies.clear()

    def log_out(self) -> None:
        """Log out; the cookie is invalid afterwards."""
        self.request("DELETE", "/session/", 204, headers={**self._page_headers(), "Cookie": self.cookie})
        self.client.cookies.clear()

    @task(1)
    def read_session(self) -> None:
        """Read the session: its user and its expiry."""
        self.send("GET", "/session/", 200)

    def send(self, method: str, path: str, expected: int, **parts: Any) -> Any:
        """Send a request as the page's scripts do."""
        return self.request(method, path, expected, headers={**self._page_headers(), "Cookie": self.cookie}, **parts)[
            1
        ]

    def _page_headers(self) -> dict[str, str]:
        return {"Origin": self.host, "X-Requested-With": "fetch"}
