"""Identify callers in Starlette, in HTTP endpoints and WebSockets.

app = Starlette(routes=[Route("/reports/", reports)])
install_identity(app)

@roles_required("staff")
async def reports(request):
    return JSONResponse({"owner": current_identity(request).subject})
"""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from sallyport_service.asgi import POLICY_VIOLATION, SCOPE_KEY, IdentityMiddleware
from sallyport_service.asgi import current_identity as identity_of
from sallyport_service.identity import Identity
from sallyport_service.refusal import PROBLEM_JSON, IdentityRefused
from sallyport_service.verifier import IdentityVerifier

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class HTTPIdentityRefused(IdentityRefused, HTTPException):
    """The refusal as an HTTPException, which applications that are mounted in `app` answer too."""

    def __init__(self, code: str, reason: str) -> None:
        IdentityRefused.__init__(self, code, reason)
        HTTPException.__init__(self, self.status, self.detail, self.headers)


def install_identity(app: Starlette, verifier: IdentityVerifier | None = None) -> None:
    """Let the endpoints of `app` call current_identity, and remove the unsigned headers from every request.

    IdentityRefused becomes problem details; add an exception handler for it to answer something else. Raises
    ConfigurationError if no `verifier` is given and the settings are invalid.
    """
    app.add_middleware(IdentityMiddleware, verifier=verifier or IdentityVerifier(), required=False)  # type: ignore[arg-type]  # Starlette types scopes as dicts
    app.add_exception_handler(IdentityRefused, _answer)


def current_identity(connection: HTTPConnection, *roles: str) -> Identity:
    """Return the caller. Raises IdentityRefused: 401 without a valid assertion, 403 without one of `roles`."""
    if SCOPE_KEY not in connection.scope:
        raise RuntimeError("call install_identity(app) where the application is made")
    try:
        return identity_of(connection.scope, *roles)
    except IdentityRefused as refused:
        raise HTTPIdentityRefused(refused.code, refused.reason) from refused


def identity_required(endpoint: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate an endpoint to answer 401 unless the request or WebSocket has a valid assertion."""
    return roles_required()(endpoint)


def roles_required(*roles: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate an endpoint to answer 401 without a valid assertion, and 403 unless the caller has all of `roles`.

    The endpoint is a function, or a method of an HTTPEndpoint, and may be async.
    """

    def decorate(endpoint: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        if iscoroutinefunction(endpoint):

            @wraps(endpoint)
            async def protected_async(*args: Any, **kwargs: Any) -> Any:
                current_identity(_connection(args), *roles)
                return await endpoint(*args, **kwargs)

            return protected_async  # type: ignore[return-value]  # a coroutine function, as `endpoint` is

        @wraps(endpoint)
        def protected(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            current_identity(_connection(args), *roles)
            return endpoint(*args, **kwargs)

        return protected

    return decorate


def _connection(arguments: tuple[Any, ...]) -> HTTPConnection:
    """Return the request or WebSocket among the arguments of an endpoint, which may be a method."""
    return next(argument for argument in arguments if isinstance(argument, HTTPConnection))


async def _answer(connection: HTTPConnection, refused: Exception) -> Response | None:
    assert isinstance(refused, IdentityRefused)
    body = refused.to_body(connection.headers.get("X-Request-Id"))
    response = Response(body, refused.status, refused.headers, PROBLEM_JSON)
    if not isinstance(connection, WebSocket):
        return response
    if "websocket.http.response" in (connection.scope.get("extensions") or {}):
        await connection.send_denial_response(response)
    else:
        await connection.close(POLICY_VIOLATION, refused.reason)
    return None
