"""WSGI middleware that identifies the caller of each request.

@identity_required
def reports(environ, start_response):
    caller = current_identity(environ)
    ...

application = IdentityMiddleware(reports)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import TYPE_CHECKING

from sallyport_service.identity import Identity
from sallyport_service.refusal import PROBLEM_JSON, IdentityRefused
from sallyport_service.verifier import UNSIGNED_HEADERS, IdentityVerifier, RequestIdentity

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ENVIRON_KEY = "sallyport_service.identity"
"""The key of the request's RequestIdentity. A client cannot set it, because WSGI prefixes header names with HTTP_."""

_UNSIGNED_KEYS = tuple(f"HTTP_{name.upper().replace('-', '_')}" for name in UNSIGNED_HEADERS)
_PHRASES = {401: "401 Unauthorized", 403: "403 Forbidden"}


class IdentityMiddleware:
    """Identifies the caller of each request to `app`, and answers 401 or 403 when IdentityRefused is raised.

    With `required`, the default, each request needs a valid assertion, except those for `public_paths`, which are
    compared with the whole path. Otherwise the views that call current_identity need one. The unsigned headers are
    removed from every request. Raises ConfigurationError if no `verifier` is given and the settings are invalid.
    """

    def __init__(
        self,
        app: WSGIApplication,
        verifier: IdentityVerifier | None = None,
        *,
        required: bool = True,
        public_paths: Collection[str] = (),
    ) -> None:
        self._app = app
        self._verifier = verifier or IdentityVerifier()
        self._required = required
        self._public_paths = frozenset(public_paths)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        attach_identity(environ, self._verifier)
        try:
            if self._required and environ.get("PATH_INFO") not in self._public_paths:
                current_identity(environ)
            return self._app(environ, start_response)
        except IdentityRefused as refused:
            body = refused.to_body(environ.get("HTTP_X_REQUEST_ID"))
            headers = [("Content-Type", PROBLEM_JSON), ("Content-Length", str(len(body))), *refused.headers.items()]
            start_response(_PHRASES[refused.status], headers, sys.exc_info())
            return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def attach_identity(environ: WSGIEnvironment, verifier: IdentityVerifier) -> None:
    """Let current_identity read the caller from `environ`, and remove the unsigned headers."""
    for key in _UNSIGNED_KEYS:
        environ.pop(key, None)
    assertion = environ.get("HTTP_X_IDENTITY")
    environ[ENVIRON_KEY] = RequestIdentity(verifier, () if assertion is None else (assertion,))


def current_identity(environ: WSGIEnvironment, *roles: str) -> Identity:
    """Return the caller. Raises IdentityRefused: 401 without a valid assertion, 403 without one of `roles`."""
    found: RequestIdentity | None = environ.get(ENVIRON_KEY)
    if found is None:
        raise RuntimeError("wrap the application: application = IdentityMiddleware(application)")
    return found.get(*roles)


def identity_required(app: WSGIApplication) -> WSGIApplication:
    """Decorate a WSGI application to answer 401 unless the request has a valid assertion."""
    return roles_required()(app)


def roles_required(*roles: str) -> Callable[[WSGIApplication], WSGIApplication]:
    """Decorate a WSGI application to answer 401 without a valid assertion, and 403 without one of `roles`."""

    def decorate(app: WSGIApplication) -> WSGIApplication:
        @wraps(app)
        def protected(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            current_identity(environ, *roles)
            return app(environ, start_response)

        return protected

    return decorate
