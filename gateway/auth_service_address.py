"""The auth service's address for the gateway's own calls, from AUTH_URL and the TLS settings beside it."""

from ssl import SSLContext

from gateway.routing.errors import RoutesError
from gateway.routing.routes import Address
from gateway.routing.upstream_address import parse_upstream_url
from gateway.routing.upstream_tls import TlsFileError, client_context
from gateway.settings import GatewaySettings


def auth_address(settings: GatewaySettings) -> Address:
    """Return the address in AUTH_URL. Raises RoutesError, whose message names the setting."""
    try:
        return parse_upstream_url(settings.auth_url, _tls(settings))
    except ValueError as error:
        raise RoutesError(f"AUTH_URL: {error}") from error


def _tls(settings: GatewaySettings) -> SSLContext | None:
    names = (settings.auth_ca_file, settings.auth_client_cert_file, settings.auth_client_key_file)
    if not settings.auth_url.startswith("https://"):
        if any(names):
            raise RoutesError(
                "AUTH_CA_FILE, AUTH_CLIENT_CERT_FILE and AUTH_CLIENT_KEY_FILE need an https:// AUTH_URL"
            )
        return None
    if bool(settings.auth_client_cert_file) != bool(settings.auth_client_key_file):
        raise RoutesError("AUTH_CLIENT_CERT_FILE and AUTH_CLIENT_KEY_FILE must be set together")
    try:
        return client_context(*(settings.data_dir / name if name else None for name in names))
    except TlsFileError as error:
        raise RoutesError(f"AUTH_URL: {error}") from error
