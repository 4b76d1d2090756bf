"""Plays the auth service for clients whose tokens the gateway holds or refreshes: signs real tokens, and counts."""

import asyncio
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from chassis.clock import Clock
from contract.internal import END_PATH, EXCHANGE_PATH, SESSIONS_PATH
from contract.peer import verify_peer
from tests.gateway.access_tokens import PEER_SECRET, SigningKey, access_claims, jwks
from tests.gateway.raw_upstream import Conversation, ok

USER = {"id": "ada-id", "email": "ada@example.org", "first_name": "Ada", "last_name": "L"}
PASSWORD = "two doors, one key"


def hash_of(handle: str) -> str:
    """What the auth service is told of a handle."""
    return hashlib.sha256(handle.encode()).hexdigest()


@dataclass(slots=True)
class AuthStandIn:
    """`calls` are the paths that were asked for, in their order; `down` makes every call but the keys' a 503, and
    none of these is answered while it is `holding` them."""

    key: SigningKey
    clock: Clock = time.time
    lifetime: int = 300
    down: bool = False
    holding: bool = False
    handles: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=lambda: {"good-refresh"})
    calls: list[str] = field(default_factory=list)
    minted: int = 0
    session: str = field(default_factory=lambda: secrets.token_hex(16))
    replaced: list[str | None] = field(default_factory=list)
    """Of every log-in that went well, the hash of the handle that it replaces."""
    ended_seconds_ago: float | None = None
    """How long ago the sessions ended whose handles it does not know."""

    def count(self, path: str) -> int:
        """How often `path` was asked for."""
        return self.calls.count(path)

    def access(self) -> str:
        """A new access token."""
        self.minted += 1
        now = self.clock()
        return self.key.sign(
            access_claims(now, sid=self.session, jti=f"{self.minted:032x}", exp=int(now) + self.lifetime)
        )

    async def answer(self, conversation: Conversation) -> None:
        """A script for RawUpstream."""
        await conversation.read_body()
        _, path, _ = conversation.request.request_line.split(" ")
        if path.endswith("jwks.json"):
            await conversation.write(ok(jwks(self.key)))
            return
        if path != "/internal/seen":
            self.calls.append(path)
            while self.holding:  # noqa: ASYNC110 - it is let go from the test's thread
                await asyncio.sleep(0.005)
        status, document = (503, {"detail": "down"}) if self.down else self._say(path, conversation)
        await conversation.write(_raw(status, document))

    def _say(self, path: str, conversation: Conversation) -> tuple[int, dict[str, Any]]:
        request = conversation.request
        if path.startswith("/internal/"):
            verify_peer(request.get("x-peer") or "", PEER_SECRET, now=self.clock())
        said = json.loads(request.body or b"{}")
        if path == SESSIONS_PATH:
            return self._log_in(said)
        if path == EXCHANGE_PATH:
            known = said["handle_hash"] in self.handles
            ended = {"code": "session_ended", "ended_seconds_ago": self.ended_seconds_ago}
            return (200, self._granted()) if known else (404, ended)
        if path == END_PATH:
            self.handles.discard(said["handle_hash"])
            return 204, {}
        if path == "/auth/jwt/refresh/":
            return self._refresh(said["refresh"])
        return 200, {"authorization": request.get("authorization"), "cookie": request.get("cookie")}

    def _log_in(self, said: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if said["password"] != PASSWORD:
            return 401, {"detail": "No active account found with the given credentials"}
        self.replaced.append(said.get("replaces"))
        self.handles.discard(said.get("replaces", ""))
        self.handles.add(said["handle_hash"])
        return 200, self._granted()

    def _granted(self) -> dict[str, Any]:
        return {"access": self.access(), "expires_at": self.clock() + 86_400, "user": USER}

    def _refresh(self, refresh: str) -> tuple[int, dict[str, Any]]:
        if refresh not in self.refresh_tokens:
            return 401, {"detail": "Token is blacklisted", "code": "token_not_valid"}
        return 200, {"access": self.access(), "refresh": "successor"}


def _raw(status: int, document: dict[str, Any]) -> bytes:
    if status == 204:
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    return ok(json.dumps(document).encode(), "Content-Type: application/json").replace(b"200 OK", b"%d X" % status, 1)
