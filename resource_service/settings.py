"""The settings of the resource service, read from environment variables."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from chassis.settings import Settings
from chassis.sql.engine import database_url
from chassis.tracing.settings import TracingSettings
from sallyport_service.key_ring import read_keys


def _check_keys(secrets: SecretStr) -> SecretStr:
    read_keys(secrets.get_secret_value())  # raises UnusableKey, which is a ValueError
    return secrets


def _normalize_url(url: SecretStr) -> SecretStr:
    return SecretStr(database_url(url.get_secret_value()))


class ResourceSettings(TracingSettings):
    """The settings of the service. Secrets have no defaults: without them, the service does not start."""

    database_url: Annotated[SecretStr, AfterValidator(_normalize_url)]
    """A secret, because it may contain a password."""
    identity_secret: Annotated[SecretStr, AfterValidator(_check_keys)]
    """The secret that this service shares with the gateway, or the PEM of the gateway's Ed25519 public key.

    While it is replaced, there are two: the present one, and the next or the previous one.
    """
    identity_audience: Annotated[str, Field(min_length=1)] = "notes"
    """The claim `aud` of identity assertions for this service."""
    resource_threads: Annotated[int, Field(ge=1, le=256)] = 8
    """Threads of one process that remain for other requests when all event streams are open."""
    resource_streams: Annotated[int, Field(ge=1, le=256)] = 16
    """Maximum number of concurrent event streams in one process. Each occupies a thread of its own."""

    @property
    def threads(self) -> int:
        """Number of threads in one process. Each can hold a database connection."""
        return self.resource_threads + self.resource_streams


class ServingSettings(Settings):
    """The settings of gunicorn."""

    resource_bind: str = "127.0.0.1:8002"
    """The listen address: host:port or unix:/path."""
    resource_internal_bind: str = ""
    """Where /metrics is served: host:port or unix:/path; empty: nowhere."""
    resource_workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of processes."""
