"""People who use the system as its clients do. Any status that they do not expect is a failure.

Some hold tokens and refresh them when they have expired, some are browsers with a cookie. Started by `make load`.
Against `ACCESS_TOKEN_LIFETIME=1 make run` tokens expire within a run (after the ten seconds by which clocks may
differ); otherwise people also refresh for no reason, now and then.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from locust import HttpUser, between, task

PASSWORD = "quite a Long-ish passphrase 7"


class Person(HttpUser):
    """Somebody with an account of their own; how they prove it is for those below."""

    abstract = True
    wait_time = between(0.2, 1.0)

    def on_start(self) -> None:
        """Registers and logs in."""
        self.notes: list[str] = []
        self.email = f"{uuid.uuid4().hex}@example.com"
        self.ask("POST", "/auth/users/", 201, json={"email": self.email, "password": PASSWORD})
        self.log_in()

    def on_stop(self) -> None:
        """Logs out."""
        self.log_out()

    def log_in(self) -> None:
        """Comes to have what `send` sends."""
        raise NotImplementedError

    def log_out(self) -> None:
        """Ends the session."""
        raise NotImplementedError

    def send(self, method: str, path: str, expected: int, **parts: Any) -> Any:
        """Asks as somebody who is logged in."""
        raise NotImplementedError

    @task(6)
    def list_notes(self) -> None:
        """The newest page, which has what was written."""
        answer = self.send("GET", "/api/notes/", 200)
        if answer and answer["count"] != len(self.notes):
            self.fail(f"{answer['count']} notes instead of {len(self.notes)}")

    @task(3)
    def write_note(self) -> None:
        """A new one."""
        answer = self.send("POST", "/api/notes/", 201, json={"title": "A note", "body": "x" * 200})
        if answer:
            self.notes.append(answer["id"])

    @task(3)
    def read_note(self) -> None:
        """One's own."""
        if self.notes:
            self.send("GET", f"/api/notes/{self.notes[-1]}/", 200, name="/api/notes/{id}/")

    @task(1)
    def remove_note(self) -> None:
        """The latest."""
        if self.notes:
            self.send("DELETE", f"/api/notes/{self.notes.pop()}/", 204, name="/api/notes/{id}/")

    @task(1)
    def ask_who(self) -> None:
        """What a service believes."""
        answer = self.send("GET", "/api/whoami", 200)
        if answer and answer["email"] != self.email:
            self.fail(f"taken for {answer['email']}")

    @task(1)
    def come_again(self) -> None:
        """Logs out, and in again."""
        self.log_out()
        self.log_in()

    def ask(self, method: str, path: str, *expected: int, **parts: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, document and header of the answer; a status that was not expected counts as a failure."""
        with self.client.request(method, path, catch_response=True, **parts) as answer:
            if answer.status_code not in expected:
                answer.failure(f"{answer.status_code} instead of {expected}: {answer.text[:200]}")
                return answer.status_code, None, {}
            answer.success()  # a 401 may be what was expected
            document = answer.json() if answer.content else None
            return answer.status_code, document, answer.headers

    def fail(self, what: str) -> None:
        """Counts something that is wrong in an answer whose status was right."""
        self.environment.events.request.fire(
            request_type="CHECK",
            name=type(self).__name__,
            response_time=0,
            response_length=0,
            exception=ValueError(what),
        )


class TokenHolder(Person):
    """An app: holds both tokens, and refreshes when the access token has expired."""

    weight = 2

    def log_in(self) -> None:
        """By the contract of djoser."""
        _, document, _ = self.ask("POST", "/auth/jwt/create/", 200, json={"email": self.email, "password": PASSWORD})
        self.tokens = document or {"access": "none", "refresh": "none"}

    def log_out(self) -> None:
        """Both tokens are then worth nothing."""
        self.ask("POST", "/auth/jwt/blacklist/", 200, json={"refresh": self.tokens["refresh"]})

    @task(1)
    def refresh(self) -> None:
        """Both tokens are new."""
        spent = self.tokens["refresh"]
        _, document, _ = self.ask("POST", "/auth/jwt/refresh/", 200, json={"refresh": spent})
        self.tokens = document or self.tokens

    def send(self, method: str, path: str, expected: int, **parts: Any) -> Any:
        """Asks; if the token has expired, once more with a new one."""
        status, document, header = self._ask_with_token(method, path, (expected, 401), parts)
        if status != 401:
            return document
        if 'error="invalid_token"' not in header.get("WWW-Authenticate", "") or document["code"] != "token_expired":
            self.fail(f"401 {document['code']} for a token that is good")
        self.refresh()
        return self._ask_with_token(method, path, (expected,), parts)[1]

    def _ask_with_token(
        self, method: str, path: str, expected: tuple[int, ...], parts: Mapping[str, Any]
    ) -> tuple[int, Any, Mapping[str, str]]:
        headers = {"Authorization": f"Bearer {self.tokens['access']}"}
        return self.ask(method, path, *expected, headers=headers, **parts)


class Browser(Person):
    """A page: holds a cookie that its scripts cannot read. The gateway refreshes for it."""

    weight = 1

    def log_in(self) -> None:
        """The cookie is kept by hand: a client like this one sends no `__Host-` cookie over plain http."""
        credentials = {"email": self.email, "password": PASSWORD}
        _, _, header = self.ask("POST", "/session/", 200, json=credentials, headers=self._as_page())
        self.cookie = header.get("Set-Cookie", "").partition(";")[0]
        self.client.cookies.clear()

    def log_out(self) -> None:
        """The cookie is then worth nothing."""
        self.ask("DELETE", "/session/", 204, headers={**self._as_page(), "Cookie": self.cookie})
        self.client.cookies.clear()

    @task(1)
    def ask_the_gateway(self) -> None:
        """Who is logged in here, and until when."""
        self.send("GET", "/session/", 200)

    def send(self, method: str, path: str, expected: int, **parts: Any) -> Any:
        """Asks as the page's scripts do."""
        return self.ask(method, path, expected, headers={**self._as_page(), "Cookie": self.cookie}, **parts)[1]

    def _as_page(self) -> dict[str, str]:
        return {"Origin": self.host, "X-Requested-With": "fetch"}
