"""The services behind the gateway, in memory: one that responds as a case says, and the auth service's own calls."""

import hashlib
import json
from typing import NamedTuple

from contract.internal_api import EXCHANGE_PATH, SESSION_ENDED
from contract.peer_token import PEER_HEADER
from gateway.tokens.jwks import JWKS_PATH
from gateway.tokens.refresh import REFRESH_PATH
from tests.gateway.access_tokens import jwks
from tests.gateway.cold_and_warm.credentials import ACCESS_TOKENS, KEY, LIVE_HANDLES, NOW, REFRESH_TOKENS
from tests.gateway.cold_and_warm.memory_network import ConnectionEnd, MemoryLoop
from tests.gateway.raw_upstream import ok

AUTH, NOTES = "192.0.2.10", "192.0.2.20"
_PEER_LINE = f"\r\n{PEER_HEADER}: ".encode()


class Response(NamedTuple):
    """A service's response: the pieces in which it arrives, and whether the service then closes the connection."""

    pieces: tuple[bytes, ...]
    closes: bool = False
    is_short: bool = False
    """Whether the body is shorter than its Content-Length."""


class Forwarded(NamedTuple):
    """What the gateway sent to a service as one request, and the connection that it used."""

    service: str
    raw: bytes
    connection: ConnectionEnd


class Services:
    """The services that the gateway connects to. Nothing else listens, not even Redis."""

    def __init__(self) -> None:
        self.loop = MemoryLoop(self._connect)
        self._connections: list[ConnectionEnd] = []
        self._unanswered: dict[ConnectionEnd, str] = {}
        """The connections with unanswered bytes, in the order in which the first of them came, and their services."""

    def _connect(self, host: str, _: int) -> ConnectionEnd:
        if host not in (AUTH, NOTES):
            raise ConnectionRefusedError(f"nothing listens at {host}")
        end = ConnectionEnd(self.loop, lambda end: self._unanswered.setdefault(end, host))
        self._connections.append(end)
        return end

    def close_connections(self) -> None:
        """Close all connections."""
        connections, self._connections = self._connections, []
        for end in connections:
            end.deliver_eof()

    def answer_own_calls(self) -> bool:
        """Answer the gateway's own calls to the auth service. Return whether there were any."""
        calls = [end for end in self._unanswered if _is_own_call(end.sent)]
        for end in calls:
            del self._unanswered[end]
            end.deliver(_answer(end.take_sent()))
        return bool(calls)

    def take_forwarded(self) -> Forwarded | None:
        """Return the oldest request that is not answered yet, or None. It counts as answered from now on."""
        end = next(iter(self._unanswered), None)
        if end is None:
            return None
        return Forwarded(self._unanswered.pop(end), end.take_sent(), end)


def _is_own_call(raw: bytes) -> bool:
    return _PEER_LINE in raw or raw.startswith(f"GET {JWKS_PATH} ".encode())


def _answer(raw: bytes) -> bytes:
    path, body = raw.split(b" ", 2)[1].decode(), raw.partition(b"\r\n\r\n")[2]
    if path == JWKS_PATH:
        return ok(jwks(KEY))
    members = json.loads(body)
    if path == EXCHANGE_PATH:
        for handle, access in LIVE_HANDLES.items():
            if members["handle_hash"] == hashlib.sha256(handle.encode()).hexdigest():
                return _json(200, {"access": access, "expires_at": NOW + 86_400, "user": {"id": "someone"}})
        return _json(404, {"code": SESSION_ENDED, "ended_seconds_ago": 1_000})
    if path == REFRESH_PATH and members["refresh"] in REFRESH_TOKENS:
        return _json(200, {"access": ACCESS_TOKENS[0], "refresh": "next-" + members["refresh"]})
    return _json(401, {"code": "token_not_valid"}) if path == REFRESH_PATH else b"HTTP/1.1 204 No Content\r\n\r\n"


def _json(status: int, document: dict[str, object]) -> bytes:
    return ok(json.dumps(document).encode(), "Content-Type: application/json").replace(b"200 OK", b"%d X" % status, 1)
