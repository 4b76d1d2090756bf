"""The auth service's address for the gateway's own calls, from AUTH_URL, AUTH_CA_FILE and AUTH_CLIENT_*_FILE."""

from ssl import SSLContext

from chassis.settings import SettingsError
from gateway.routing.routes import Address
from gateway.routing.upstream_address import parse_upstream_url
from gateway.routing.upstream_tls import TlsFileError, client_context
from gateway.settings import GatewaySettings


def auth_address(settings: GatewaySettings) -> Address:
    """Return the address in AUTH_URL. Raises SettingsError, whose message names the wrong setting."""
    try:
        return parse_upstream_url(settings.auth_url, _tls(settings))
    except ValueError as error:
        raise SettingsError(f"AUTH_URL: {error}") from error


def _tls(settings: GatewaySettings) -> SSLContext | None:
    files = {
        "AUTH_CA_FILE": settings.auth_ca_file,
        "AUTH_CLIENT_CERT_FILE": settings.auth_client_cert_file,
        "AUTH_CLIENT_KEY_FILE": settings.auth_client_key_file,
    }
    if not settings.auth_url.startswith("https://"):
        if any(files.values()):
            raise SettingsError(
                "AUTH_CA_FILE, AUTH_CLIENT_CERT_FILE and AUTH_CLIENT_KEY_FILE need an https:// AUTH_URL"
            )
        return None
    if bool(settings.auth_client_cert_file) != bool(settings.auth_client_key_file):
        raise SettingsError("AUTH_CLIENT_CERT_FILE and AUTH_CLIENT_KEY_FILE must be set together")
    try:
        return client_context(*(settings.data_dir / file if file else None for file in files.values()))
    except TlsFileError as error:  # its text names the file
        names = ", ".join(name for name, file in files.items() if file)
        raise SettingsError(f"{names}: {error}") from error
