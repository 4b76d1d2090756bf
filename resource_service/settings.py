"""Owns what the resource service can be told."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from chassis.database import database_url
from chassis.settings import Settings
from contract.keys import AssertionVerifier, WeakKey, assertion_verifier


def _usable_key(secret: SecretStr) -> SecretStr:
    try:
        assertion_verifier(secret.get_secret_value())
    except WeakKey as error:
        raise ValueError(str(error)) from error
    return secret


def _usable_url(url: SecretStr) -> SecretStr:
    return SecretStr(database_url(url.get_secret_value()))


class ResourceSettings(Settings):
    """The service's settings. Neither of the secrets has a default: without them it does not start."""

    database_url: Annotated[SecretStr, AfterValidator(_usable_url)]
    """Secret because it may carry a password."""
    identity_secret: Annotated[SecretStr, AfterValidator(_usable_key)]
    identity_audience: Annotated[str, Field(min_length=1)] = "notes"
    resource_threads: Annotated[int, Field(ge=1, le=256)] = 8
    """Requests that one process answers at once, event streams aside."""
    resource_streams: Annotated[int, Field(ge=1, le=256)] = 16
    """Event streams that one process serves at once; each has a thread, besides those for other requests."""

    @property
    def threads(self) -> int:
        """The threads of one process; each can have a connection to the database."""
        return self.resource_threads + self.resource_streams

    @property
    def verifier(self) -> AssertionVerifier:
        """What the gateway's assertions are verified with: the shared secret, or the Ed25519 public key."""
        return assertion_verifier(self.identity_secret.get_secret_value())


class ServingSettings(Settings):
    """How the service's processes are run."""

    resource_bind: str = "127.0.0.1:8002"
    resource_workers: Annotated[int, Field(ge=1, le=256)] = 1
