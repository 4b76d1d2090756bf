"""The identity verifier: it finds the caller of a request in the values of the request's X-Identity headers."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence

from sallyport_service.assertion import InvalidAssertion, verify
from sallyport_service.identity import Identity
from sallyport_service.refusal import IdentityRefused, role_missing
from sallyport_service.settings import read_settings

IDENTITY_HEADER = "X-Identity"
"""The header that carries the assertion."""
UNSIGNED_HEADERS = ("X-User-Id", "X-User-Email", "X-User-Roles", "X-Session-Id")
"""The claims in plain text, for debugging. They are not signed, so every adapter removes them from the request."""

_log = logging.getLogger("sallyport_service")


def _log_rejection(reason: str) -> None:
    _log.warning("identity_rejected reason=%r", reason)


class IdentityVerifier:
    """Verifies assertions that the gateway signed for the service `audience`. It cannot be switched off.

    `secret` is the text that the service shares with the gateway, or the PEM of the gateway's Ed25519 public key.
    While it is replaced, it is a list of two, or two lines. `secret_file` names a file with it, which is read again
    when it changes. Arguments that are left out are read from IDENTITY_SECRET or IDENTITY_SECRET_FILE, and from
    IDENTITY_AUDIENCE, in `environ`. `clock` returns seconds since the epoch.
    `on_rejected` is called with the reason for each invalid assertion; the default logs a warning.

    Raises ConfigurationError.
    """

    def __init__(
        self,
        secret: str | Sequence[str] | None = None,
        audience: str | None = None,
        *,
        secret_file: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        on_rejected: Callable[[str], None] = _log_rejection,
    ) -> None:
        self._keys, self.audience = read_settings(
            secret, secret_file, audience, os.environ if environ is None else environ
        )
        self._clock = clock
        self._on_rejected = on_rejected

    def identify(self, assertions: Sequence[str]) -> Identity:
        """Return the caller by the values of X-Identity. Raises IdentityRefused unless exactly one is valid."""
        if not assertions:
            raise IdentityRefused("identity_missing", "No assertion")
        # Some servers join repeated headers with a comma, which no assertion contains.
        if len(assertions) > 1 or "," in assertions[0]:
            raise self._invalid("More than one assertion")
        try:
            return self._keys.verify(
                lambda key: verify(assertions[0], key=key, audience=self.audience, now=self._clock())
            )
        except InvalidAssertion as error:
            raise self._invalid(error.reason) from error

    def _invalid(self, reason: str) -> IdentityRefused:
        self._on_rejected(reason)
        return IdentityRefused("identity_invalid", reason)


class RequestIdentity:
    """The identity of one request. It is verified when it is first read."""

    __slots__ = ("_assertions", "_identity", "_verifier")

    def __init__(self, verifier: IdentityVerifier, assertions: Sequence[str]) -> None:
        self._verifier = verifier
        self._assertions = assertions
        self._identity: Identity | None = None

    def get(self, *roles: str) -> Identity:
        """Return the caller. Raises IdentityRefused: 401 without a valid assertion, 403 without one of `roles`."""
        if self._identity is None:
            self._identity = self._verifier.identify(self._assertions)
        missing = self._identity.missing_role(roles)
        if missing is not None:
            raise role_missing(missing)
        return self._identity
