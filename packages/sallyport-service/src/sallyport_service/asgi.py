"""ASGI middleware that identifies the caller of each HTTP request and each WebSocket.

async def reports(scope, receive, send):
    caller = current_identity(scope)
    ...

application = IdentityMiddleware(reports)
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from functools import wraps
from typing import Any

from sallyport_service.identity import Identity
from sallyport_service.refusal import PROBLEM_JSON, IdentityRefused
from sallyport_service.verifier import IDENTITY_HEADER, UNSIGNED_HEADERS, IdentityVerifier, RequestIdentity

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY = "sallyport_service.identity"
"""The key of the request's RequestIdentity in the scope."""

POLICY_VIOLATION = 1008
"""The status of the Close frame of a refused WebSocket (RFC 6455 7.4.1). Before the handshake it becomes a 403."""

_IDENTITY = IDENTITY_HEADER.lower().encode()
_UNSIGNED = frozenset(name.lower().encode() for name in UNSIGNED_HEADERS)
_DENIAL = "websocket.http.response"


class IdentityMiddleware:
    """Identifies the caller of each request to `app`, and answers 401 or 403 when IdentityRefused is raised.

    With `required`, the default, each request and each WebSocket needs a valid assertion, except those for
    `public_paths`, which are compared with the whole path. Otherwise the endpoints that call current_identity need
    one. The unsigned headers are removed from every request. Raises ConfigurationError if no `verifier` is given and
    the settings are invalid.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: IdentityVerifier | None = None,
        *,
        required: bool = True,
        public_paths: Collection[str] = (),
    ) -> None:
        self._app = app
        self._verifier = verifier or IdentityVerifier()
        self._required = required
        self._public_paths = frozenset(public_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one WebSocket; `lifespan` has no caller and passes through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope = identified(scope, self._verifier)
        response = _Response(scope, receive, send)
        try:
            if self._required and scope.get("path") not in self._public_paths:
                current_identity(scope)
            await self._app(scope, response.receive, response.send)
        except IdentityRefused as refused:
            if response.started:
                raise
            await response.refuse(refused)


def identified(scope: Scope, verifier: IdentityVerifier) -> Scope:
    """Return a copy of `scope` from which current_identity reads the caller, without the unsigned headers."""
    headers = [(bytes(name).lower(), bytes(value)) for name, value in scope.get("headers", ())]
    assertions = [value.decode("latin-1") for name, value in headers if name == _IDENTITY]
    # A bridge to WSGI, and Django, read X_User_Id as X-User-Id.
    kept = [(name, value) for name, value in headers if name.replace(b"_", b"-") not in _UNSIGNED]
    return {**scope, "headers": kept, SCOPE_KEY: RequestIdentity(verifier, assertions)}


def current_identity(scope: Scope, *roles: str) -> Identity:
    """Return the caller. Raises IdentityRefused: 401 without a valid assertion, 403 without one of `roles`."""
    found: RequestIdentity | None = scope.get(SCOPE_KEY)
    if found is None:
        raise RuntimeError("wrap the application: application = IdentityMiddleware(application)")
    return found.get(*roles)


def identity_required(app: ASGIApp) -> ASGIApp:
    """Decorate an ASGI application to answer 401 unless the request has a valid assertion."""
    return roles_required()(app)


def roles_required(*roles: str) -> Callable[[ASGIApp], ASGIApp]:
    """Decorate an ASGI application to answer 401 without a valid assertion, and 403 without one of `roles`."""

    def decorate(app: ASGIApp) -> ASGIApp:
        @wraps(app)
        async def protected(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "lifespan":
                current_identity(scope, *roles)
            await app(scope, receive, send)

        return protected

    return decorate


class _Response:
    """The channel to the server. It knows whether the application has begun to answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._connect_received = False
        self.started = False

    async def receive(self) -> Message:
        """Return the next message of the client."""
        message = await self._receive()
        self._connect_received = True
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the application."""
        self.started = True
        await self._send(message)

    async def refuse(self, refused: IdentityRefused) -> None:
        """Answer a refused request with problem details, and a refused WebSocket with them or by closing it."""
        if self._scope["type"] != "websocket":
            await self._answer(refused, "http.response")
            return
        if not self._connect_received:  # ASGI: the first message of a WebSocket is websocket.connect
            await self._receive()
        if _DENIAL in (self._scope.get("extensions") or {}):
            await self._answer(refused, _DENIAL)
        else:
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refused.reason})

    async def _answer(self, refused: IdentityRefused, kind: str) -> None:
        request_ids = (value.decode("latin-1") for name, value in self._scope["headers"] if name == b"x-request-id")
        body = refused.to_body(next(request_ids, None))
        fields = {"Content-Type": PROBLEM_JSON, "Content-Length": str(len(body)), **refused.headers}
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()]
        await self._send({"type": f"{kind}.start", "status": refused.status, "headers": headers})
        is_head = self._scope.get("method") == "HEAD"
        await self._send({"type": f"{kind}.body", "body": b"" if is_head else body})
