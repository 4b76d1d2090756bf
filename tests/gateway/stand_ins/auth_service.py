"""A test double of the auth service: it signs tokens, stores session handles, and counts the gateway's calls."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chassis.clock import Clock
from contract.internal_api import END_PATH, EXCHANGE_PATH, SESSIONS_PATH, USAGE_REPORT_PATH
from contract.peer_token import verify_peer
from tests.gateway.access_tokens import PEER_SECRET, SigningKey, access_claims, jwks
from tests.gateway.raw_upstream import Conversation, RawUpstream, ok

USER = {"id": "ada-id", "email": "ada@example.org", "first_name": "Ada", "last_name": "L"}
PASSWORD = "two doors, one key"


def hash_of(handle: str) -> str:
    """Return the hash by which the auth service knows `handle`."""
    return hashlib.sha256(handle.encode()).hexdigest()


@dataclass(slots=True)
class AuthStandIn:
    """Answers the gateway's calls. `lifetime` of access tokens is in seconds."""

    key: SigningKey
    clock: Clock = time.time
    lifetime: int = 300
    down: bool = False
    """Answer 503 to every call except the JWKS."""
    holds_responses: bool = False
    """Answer no call except the JWKS and usage reports until this is False again."""
    handles: set[str] = field(default_factory=set)
    """Hashes of the handles whose sessions are live."""
    refresh_tokens: set[str] = field(default_factory=lambda: {"good-refresh"})
    calls: list[str] = field(default_factory=list)
    """Paths of the calls, in their order; without the JWKS and usage reports."""
    signed_tokens: int = 0
    """Access tokens signed so far."""
    session: str = field(default_factory=lambda: secrets.token_hex(16))
    replaced: list[str | None] = field(default_factory=list)
    device_tokens: list[str] = field(default_factory=list)
    """What the device cookies of successful log-ins had."""
    """For each successful log-in, the hash of the handle that it replaces."""
    ended_seconds_ago: float | None = None
    """How long ago the sessions of unknown handles ended."""

    def count(self, path: str) -> int:
        """Return the number of calls to `path`."""
        return self.calls.count(path)

    def access(self) -> str:
        """Return a new access token."""
        self.signed_tokens += 1
        now = self.clock()
        return self.key.sign(
            access_claims(now, sid=self.session, jti=f"{self.signed_tokens:032x}", exp=int(now) + self.lifetime)
        )

    async def answer(self, conversation: Conversation) -> None:
        """Answer one call: a script for RawUpstream."""
        await conversation.read_body()
        _, path, _ = conversation.request.request_line.split(" ")
        if path.endswith("jwks.json"):
            await conversation.write(ok(jwks(self.key)))
            return
        if path != USAGE_REPORT_PATH:
            self.calls.append(path)
            while self.holds_responses:  # noqa: ASYNC110 - the test's thread ends it
                await asyncio.sleep(0.005)
        status, document = (503, {"detail": "down"}) if self.down else self._respond(path, conversation)
        await conversation.write(_raw(status, document))

    def _respond(self, path: str, conversation: Conversation) -> tuple[int, dict[str, Any]]:
        request = conversation.request
        if path.startswith("/internal/"):
            verify_peer(request.get("x-peer") or "", PEER_SECRET, now=self.clock())
        members = json.loads(request.body or b"{}")
        if path == SESSIONS_PATH:
            return self._log_in(members)
        if path == EXCHANGE_PATH:
            is_live = members["handle_hash"] in self.handles
            ended = {"code": "session_ended", "ended_seconds_ago": self.ended_seconds_ago}
            return (200, self._grant()) if is_live else (404, ended)
        if path == END_PATH:
            self.handles.discard(members["handle_hash"])
            return 204, {}
        if path == "/auth/jwt/refresh/":
            return self._refresh(members["refresh"])
        return 200, {"authorization": request.get("authorization"), "cookie": request.get("cookie")}

    def _log_in(self, members: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if members["password"] != PASSWORD:
            return 401, {"detail": "No active account found with the given credentials"}
        self.replaced.append(members.get("replaces"))
        self.handles.discard(members.get("replaces", ""))
        self.handles.add(members["handle_hash"])
        self.device_tokens.append(members["device_token"])
        return 200, {**self._grant(), "device_token": f"token-{len(self.device_tokens)}"}

    def _grant(self) -> dict[str, Any]:
        return {"access": self.access(), "expires_at": self.clock() + 86_400, "user": USER}

    def _refresh(self, refresh: str) -> tuple[int, dict[str, Any]]:
        if refresh not in self.refresh_tokens:
            return 401, {"detail": "Token is blacklisted", "code": "token_not_valid"}
        return 200, {"access": self.access(), "refresh": "successor"}


@contextmanager
def serving(auth: AuthStandIn) -> Iterator[RawUpstream]:
    """Serve `auth` on a port of its own until the block ends."""
    server = RawUpstream()
    server.begin(auth.answer)
    try:
        yield server
    finally:
        server.stop()


def _raw(status: int, document: dict[str, Any]) -> bytes:
    if status == 204:
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    return ok(json.dumps(document).encode(), "Content-Type: application/json").replace(b"200 OK", b"%d X" % status, 1)
