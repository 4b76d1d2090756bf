"""Authenticate requests by the gateway's signed identity assertion.

Copy this file and the package `contract` into your own service. Call install_identity in `create_app`, then protect
each view with a decorator:

    install_identity(app, IdentityCheck(settings.verifier, audience="reports", clock=time.time))

    @app.get("/api/reports/")
    @roles_required("staff")
    def list_reports() -> Response:
        owner = current_identity().subject
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from flask import Flask, current_app, request
from werkzeug.datastructures import Headers

from contract.claims import InvalidToken
from contract.identity import IDENTITY_HEADER, REFUSED_HEADER, UNSIGNED_HEADERS, Identity, verify
from contract.keys import AssertionVerifier
from contract.problems import Refused

_ENVIRON_KEY = "resource_service.identity"
_log = structlog.get_logger("identity")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """Verifies assertions that the gateway signed for the service `audience`. It cannot be switched off.

    `clock` returns seconds since the epoch.
    """

    verifier: AssertionVerifier
    audience: str
    clock: Callable[[], float]

    def identify(self, headers: Headers) -> Identity:
        """Return the identity in `headers`. Raises Refused(401) unless they hold exactly one valid assertion."""
        assertions = headers.getlist(IDENTITY_HEADER)
        if not assertions:
            raise Refused("identity_missing", headers={REFUSED_HEADER: "No assertion"})
        # Some WSGI servers join repeated headers with a comma.
        if len(assertions) > 1 or "," in assertions[0]:
            raise _invalid_identity("More than one assertion")
        try:
            return verify(assertions[0], verifier=self.verifier, audience=self.audience, now=self.clock())
        except InvalidToken as error:
            raise _invalid_identity(error.reason) from error


def install_identity(app: Flask, check: IdentityCheck) -> None:
    """Let the views of `app` call current_identity(), and remove the unsigned identity headers from requests."""
    app.extensions["identity"] = check
    app.before_request(_remove_unsigned_headers)


def current_identity() -> Identity:
    """Return the caller's identity. It is verified once per request. Raises Refused(401)."""
    # Stored in the WSGI environ and not in `g`, which can outlive a request. A client cannot set this key, because
    # WSGI prefixes header names with HTTP_.
    if _ENVIRON_KEY not in request.environ:
        check: IdentityCheck = current_app.extensions["identity"]
        request.environ[_ENVIRON_KEY] = check.identify(request.headers)
    identity: Identity = request.environ[_ENVIRON_KEY]
    return identity


def require_roles(*roles: str) -> None:
    """Raise Refused(403) unless the caller has all of `roles`, or Refused(401) without a valid assertion."""
    identity = current_identity()
    missing = [role for role in roles if not identity.has_role(role)]
    if missing:
        raise Refused("insufficient_scope", f"This needs the role {missing[0]!r}.")


def identity_required(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate `view` to answer 401 unless the request has a valid assertion."""
    return roles_required()(view)


def roles_required(*roles: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate a view to answer 401 without a valid assertion, and 403 unless the caller has all of `roles`."""

    def decorate(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(view)
        def protected(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            require_roles(*roles)
            return view(*args, **kwargs)

        return protected

    return decorate


def _remove_unsigned_headers() -> None:
    # The gateway sends these headers for debugging only. A client that reaches this service directly could set them,
    # so no view may see them.
    for name in UNSIGNED_HEADERS:
        request.environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)


def _invalid_identity(reason: str) -> Refused:
    _log.warning("identity_rejected", reason=reason)
    return Refused("identity_invalid", headers={REFUSED_HEADER: reason})
