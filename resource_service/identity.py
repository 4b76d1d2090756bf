"""Decides who is calling: believes the gateway's signed assertion, and nothing else a request says.

This is the file to copy into a service of your own, with `contract/` beside it. One line in `create_app` installs
it, and a view says what it needs:

    install_identity(app, IdentityCheck(settings.verifier, "notes", clock))

    @app.get("/api/reports/")
    @roles_required("staff")
    def reports(): ... current_identity().subject ...
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from flask import Flask, current_app, request
from werkzeug.datastructures import Headers

from chassis.clock import Clock
from contract.claims import InvalidToken
from contract.identity import IDENTITY_HEADER, READABLE_HEADERS, REFUSED_HEADER, Identity, verify
from contract.keys import AssertionVerifier
from contract.problems import Refused

_VERIFIED = "resource_service.identity"
_log = structlog.get_logger("identity")

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """Verifies the assertions that the gateway makes for the service `audience`. There is no unsigned mode."""

    verifier: AssertionVerifier
    audience: str
    clock: Clock

    def identify(self, headers: Headers) -> Identity:
        """The identity in `headers`. Raises Refused(401) where there is none, or not exactly one that is good."""
        assertions = headers.getlist(IDENTITY_HEADER)
        if not assertions:
            raise Refused("identity_missing", headers={REFUSED_HEADER: "No assertion"})
        # WSGI servers join two headers of one name with a comma.
        if len(assertions) > 1 or "," in assertions[0]:
            raise _refusal("More than one assertion")
        try:
            return verify(assertions[0], verifier=self.verifier, audience=self.audience, now=self.clock())
        except InvalidToken as error:
            raise _refusal(error.reason) from error


def install_identity(app: Flask, check: IdentityCheck) -> None:
    """Lets the views of `app` ask for the caller's identity, and hides the headers that only look like it."""
    app.extensions["identity"] = check
    app.before_request(_hide_readable_headers)


def current_identity() -> Identity:
    """Who is calling, verified once a request. Raises Refused(401) where nobody vouches for the caller."""
    # In the request's own environment and not in `g`, which can outlive a request; a client's headers cannot
    # reach this name, since WSGI puts HTTP_ before theirs.
    if _VERIFIED not in request.environ:
        check: IdentityCheck = current_app.extensions["identity"]
        request.environ[_VERIFIED] = check.identify(request.headers)
    identity: Identity = request.environ[_VERIFIED]
    return identity


def require_roles(*roles: str) -> None:
    """Returns when the caller has every one of `roles`. Raises Refused(401) or Refused(403)."""
    identity = current_identity()
    missing = [role for role in roles if not identity.has_role(role)]
    if missing:
        raise Refused("insufficient_scope", f"This needs the role {missing[0]!r}.")


def identity_required(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Lets `view` run for callers that the gateway vouches for; everybody else is answered 401."""
    return roles_required()(view)


def roles_required(
    *roles: str,
) -> Callable[[Callable[Parameters, Answer]], Callable[Parameters, Answer]]:
    """Lets a view run for callers with every one of `roles`; others are answered 403, strangers 401."""

    def decorate(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
        @wraps(view)
        def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
            require_roles(*roles)
            return view(*args, **kwargs)

        return guarded

    return decorate


def _hide_readable_headers() -> None:
    # They are for people reading a dump. A view that believed one would believe whoever reached the socket.
    for name in READABLE_HEADERS:
        request.environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)


def _refusal(reason: str) -> Refused:
    _log.warning("identity_rejected", reason=reason)
    return Refused("identity_invalid", headers={REFUSED_HEADER: reason})
