"""Connect to the endpoints of webhooks, without sending a message."""

import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from doctor.probes.http import TIMEOUT_SECONDS, reason_of

if TYPE_CHECKING:
    from auth_service.settings import AuthSettings
    from auth_service.webhooks.endpoints import Endpoint

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class WebhookEndpointFacts:
    """An endpoint of webhooks. The path of its URL may contain a secret, so it is not here."""

    name: str
    host: str
    is_encrypted: bool
    keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointConnection:
    """Whether a connection to an endpoint can be made. `refused` is why none ever will, `failed` why not now."""

    endpoint: str
    refused: str = ""
    failed: str = ""


def webhook_endpoints(settings: "AuthSettings") -> tuple[WebhookEndpointFacts, ...]:
    """Return the endpoints of WEBHOOKS."""
    endpoints = settings.subscriptions().current().values()
    return tuple(
        WebhookEndpointFacts(
            each.name, urlsplit(each.url).hostname or "", each.url.startswith("https://"), tuple(each.keys)
        )
        for each in endpoints
    )


def webhook_connections(settings: "AuthSettings") -> tuple[EndpointConnection, ...]:
    """Connect to each endpoint, as a message would."""
    endpoints = settings.subscriptions().current().values()
    allow_private = settings.allows_private_endpoints
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return tuple(threads.map(lambda each: _connect(each, allow_private=allow_private), endpoints))


def _connect(endpoint: "Endpoint", *, allow_private: bool) -> EndpointConnection:
    from auth_service.webhooks.target_address import RefusedTarget, resolve_target

    parts = urlsplit(endpoint.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = resolve_target(host, port, allow_private=allow_private, resolve=socket.getaddrinfo)
    except RefusedTarget as error:
        return EndpointConnection(endpoint.name, refused=str(error))
    failure = _try(addresses, host, port, is_encrypted=parts.scheme == "https")
    if isinstance(failure, ssl.SSLCertVerificationError):
        return EndpointConnection(endpoint.name, refused=reason_of(failure))
    return EndpointConnection(endpoint.name, failed=reason_of(failure) if failure else "")


def _try(addresses: Iterable[str], host: str, port: int, *, is_encrypted: bool) -> OSError | None:
    """Return why no address accepts a connection; None if one does."""
    failure: OSError | None = None
    for address in addresses:
        try:
            with socket.create_connection((address, port), TIMEOUT_SECONDS) as plain:
                if is_encrypted:
                    ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()
                return None
        except OSError as error:
            failure = error
    return failure
