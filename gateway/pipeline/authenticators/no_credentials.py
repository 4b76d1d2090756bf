"""Authenticator for requests without credentials, which refuses them."""

from contract.problems import Refused
from gateway.http.request import Request
from gateway.pipeline.credentials import Credentials
from gateway.suspendable import Suspendable
from gateway.tokens.principal import Principal


class NoCredentialsAuthenticator:
    """Refuses every request: it is the last in the order of precedence."""

    kind = "none"

    def applies(self, request: Request, credentials: Credentials) -> bool:
        """Return True."""
        return True

    def authenticate(self, request: Request, credentials: Credentials) -> Suspendable[Principal]:
        """Raise Refused(401)."""
        raise Refused("no_credentials", "Only the Bearer scheme is known here." if credentials.authorization else "")
