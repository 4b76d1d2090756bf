"""Identify callers in Flask.

app = Flask(__name__)
install_identity(app)

@app.get("/reports/")
@roles_required("staff")
def reports():
    return {"owner": current_identity().subject}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from weakref import WeakSet

from flask import Flask, Response, current_app, request

from sallyport_service.identity import Identity
from sallyport_service.refusal import PROBLEM_JSON, IdentityRefused
from sallyport_service.verifier import IdentityVerifier
from sallyport_service.wsgi import ENVIRON_KEY, attach_identity
from sallyport_service.wsgi import current_identity as identity_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_decorated: WeakSet[Callable[..., object]] = WeakSet()
"""The functions that are decorated. One of them as a view would be unprotected."""


def install_identity(app: Flask, verifier: IdentityVerifier | None = None) -> None:
    """Let the views of `app` call current_identity(), and remove the unsigned headers from every request.

    IdentityRefused becomes problem details; register an error handler for it to answer something else. Raises
    ConfigurationError if no `verifier` is given and the settings are invalid. A request for a view whose decorators
    are in the wrong order raises RuntimeError.
    """
    checked = verifier or IdentityVerifier()
    wsgi_app = app.wsgi_app

    def with_identity(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        attach_identity(environ, checked)
        return wsgi_app(environ, start_response)

    app.wsgi_app = with_identity  # type: ignore[method-assign]  # as Flask documents for middleware
    app.before_request(_check_decorators)
    app.register_error_handler(IdentityRefused, _problem_response)


def current_identity() -> Identity:
    """Return the caller of the current request. It is verified once per request. Raises IdentityRefused(401)."""
    if ENVIRON_KEY not in request.environ:
        raise RuntimeError("call install_identity(app) where the application is made")
    return identity_of(request.environ)


def require_roles(*roles: str) -> None:
    """Raise IdentityRefused: 401 without a valid assertion, 403 unless the caller has all of `roles`."""
    current_identity()
    identity_of(request.environ, *roles)


def identity_required(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate `view`, which may be async, to answer 401 unless the request has a valid assertion."""
    return roles_required()(view)


def roles_required(*roles: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate a view to answer 401 without a valid assertion, and 403 unless the caller has all of `roles`."""

    def decorate(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        _decorated.add(view)

        @wraps(view)
        def protected(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            require_roles(*roles)
            result: Result = current_app.ensure_sync(view)(*args, **kwargs)
            return result

        return protected

    return decorate


def _check_decorators() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view in _decorated:
        raise RuntimeError(
            f"the view {request.endpoint!r} is not protected: @identity_required and @roles_required must stand below"
            " the decorator with its route"
        )


def _problem_response(refused: IdentityRefused) -> Response:
    body = refused.to_body(request.headers.get("X-Request-Id"))
    return Response(body, refused.status, refused.headers, content_type=PROBLEM_JSON)
