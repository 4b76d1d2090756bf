"""Replay the recorded requests of a client to djoser, and compare the responses: this API is compatible with djoser.

Each recorded request (a row) is sent with current tokens and ids in place of its placeholders. The replay needs a
function that sends requests, and a World, so it can run against the service and the gateway.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from auth_service.accounts.mail_tokens import Purpose
from tests.auth_service.djoser.comparison import compare
from tests.auth_service.djoser.placeholders import EMAIL, IDS, STEPS_BEFORE, World, token_for
from tests.auth_service.djoser.recordings import Recording, Row
from tests.auth_service.mail_links import Link

PASSWORD = "Tr0ub4dor&3x"

Answer = tuple[int, Mapping[str, str], bytes]
Send = Callable[[str, str, Mapping[str, str], bytes], Answer]
"""(method, url with path only, headers, body) -> (status, headers, body). Redirects are not followed."""

_PURPOSES: Mapping[str, Purpose] = {
    "/auth/users/activation/": Purpose.ACTIVATION,
    "/auth/users/reset_password_confirm/": Purpose.PASSWORD_RESET,
    "/auth/users/reset_email_confirm/": Purpose.EMAIL_RESET,
}
_UID = re.compile(r'(?<="uid": ")\w{48}(?=")')
_MAIL_TOKEN = re.compile(r"[0-9a-z]{6}-[0-9a-f]{32}")


@dataclass
class Replay:
    """The client of the replay. It keeps the tokens and ids that later rows need."""

    send: Send
    world: World
    recording: Recording
    email: str = EMAIL
    password: str = PASSWORD
    access: str = ""
    refresh: str = ""
    used_refresh: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    links: dict[Purpose, Link] = field(default_factory=dict)

    def differences(self) -> list[str]:
        """Send every row. Return the differences between the responses and the recording."""
        return [difference for row in self.recording.rows() for difference in self._send_row(row)]

    def log_in(self) -> None:
        """Log in and keep the tokens."""
        members = {"email": self.email, "password": self.password}
        headers = {"Content-Type": "application/json"}
        status, _, body = self.send("POST", "/auth/jwt/create/", headers, json.dumps(members).encode())
        assert status == 200, f"log-in: {status}"
        pair = json.loads(body)
        self.access, self.refresh = pair["access"], pair["refresh"]

    def _send_row(self, row: Row) -> list[str]:
        for step in STEPS_BEFORE.get(row.case, ()):
            step(self)
        sent = self._body(row)
        status, headers, body = self.send(row.method, self._url(row), self._headers(row), sent.encode())
        self._remember(row, sent, status, body)
        found = compare(self.recording, row, status, headers, body)
        return [f"{row.case}: {difference}" for difference in found]

    def _url(self, row: Row) -> str:
        email = IDS.get(row.case, EMAIL)
        return row.url.replace("<uuid>", self.ids.get(email, email))

    def _headers(self, row: Row) -> dict[str, str]:
        headers = {}
        if row.body:
            headers["Content-Type"] = _content_type(row.body)
        if row.auth is not None:
            headers["Authorization"] = row.auth.replace("<jwt>", token_for(self, row))
        return headers

    def _body(self, row: Row) -> str:
        body = row.body
        if "<jwt>" in body:
            body = body.replace("<jwt>", token_for(self, row))
        if _UID.search(body):
            link = self._link(_PURPOSES[row.url])
            body = _MAIL_TOKEN.sub(link.token, _UID.sub(link.uid, body))
        return body

    def _link(self, purpose: Purpose) -> Link:
        """Return the link of the mail of this purpose. It is sent once, and used by several rows."""
        if purpose not in self.links:
            self.links[purpose] = self.world.link(purpose, self.email)
        return self.links[purpose]

    def _remember(self, row: Row, sent: str, status: int, body: bytes) -> None:
        if status == 201:
            user = json.loads(body)
            self.ids[user["email"]] = user["id"]
        if row.case in ("create ok", "refresh ok") and status == 200:
            pair = json.loads(body)
            self.used_refresh, self.access, self.refresh = self.refresh, pair["access"], pair["refresh"]
        if status == 204 and '"new_' in sent:
            members = json.loads(sent)
            self.email = members.get("new_email", self.email)
            self.password = members.get("new_password", self.password)


def _content_type(body: str) -> str:
    if body == "x":
        return "text/plain"
    return "application/x-www-form-urlencoded" if body.startswith("email=") else "application/json"
