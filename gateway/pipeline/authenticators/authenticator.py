"""The interface of an authenticator."""

from typing import Protocol

from gateway.http.request import Request
from gateway.pipeline.credentials import Credentials
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal


class Authenticator(Protocol):
    """One way to authenticate a client. `kind` names its credentials in metrics."""

    @property
    def kind(self) -> str:
        """Return the kind of credentials."""

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return whether `request` presents the kind of credentials that this authenticator checks, valid or not.

        The result must not depend on the value of a Bearer token: it is cached for all requests with the same head.
        """

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Return the principal. Raises Refused: 400, 401, 403, 502, 503."""
