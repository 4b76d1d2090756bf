"""Owns what the gateway can be told."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, TypeAdapter, ValidationError, ValidationInfo

from chassis.rates import Rate, parse_rate
from chassis.settings import Settings, StrongSecret
from contract.claims import DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER, LEEWAY
from gateway.http.gateway_paths import Exposure
from gateway.http.origin import AllowedOrigins, read_allowed_origins
from gateway.http.request_limits import DEFAULT_LIMITS, HIGHEST_LIMITS, RequestLimits
from gateway.server.client_address import Peer
from gateway.server.proxy_protocol import Versions

DEVELOPMENT_ORIGINS = (
    "http://localhost:*,http://127.0.0.1:*,http://[::1]:*,https://localhost,capacitor://localhost,ionic://localhost"
)
"""What ALLOWED_ORIGINS is in development when it is not set: dev servers on this machine, and Capacitor's apps."""


def _origins(value: object) -> object:
    return read_allowed_origins(value) if isinstance(value, str) else value


_SHARE = re.compile(r"1/([1-9][0-9]{0,5})", re.ASCII)
_SWITCH = TypeAdapter(bool)


def _every(value: object) -> int:
    """On is every one, off none."""
    if isinstance(value, str) and (share := _SHARE.fullmatch(value)):
        return int(share[1])
    try:
        return int(_SWITCH.validate_python(value))
    except ValidationError:
        raise ValueError("takes on, off, or a share as 1/100") from None


def _peers(value: object) -> object:
    if not isinstance(value, str):
        return value
    return frozenset(_peer(name.strip()) for name in value.split(",") if name.strip())


def _peer(name: str) -> Peer:
    if name == "unix":
        return "unix"
    try:
        network = ip_network(name)
    except ValueError as error:
        raise ValueError(f"takes addresses, networks as 10.0.0.0/8, and unix, comma-separated; {error}") from None
    if network.prefixlen == 0:
        raise ValueError(f"cannot hold {name}: that is everybody, and everybody could say who the client is")
    return network


def _from_somebody(versions: Versions, info: ValidationInfo) -> Versions:
    if versions != "off" and not info.data.get("trusted_proxies"):
        raise ValueError("needs TRUSTED_PROXIES: from others no header is taken")
    return versions


def _named_in_production(value: object, info: ValidationInfo) -> object:
    # The default is a Path, what the environment says is text.
    if isinstance(value, Path) and info.data.get("app_env") == "production":
        raise ValueError("is missing: in production no secret is read from .data in the working directory")
    return value


class RoutesSettings(Settings):
    """Where the routes and their secrets are."""

    data_dir: Annotated[Path, BeforeValidator(_named_in_production), Field(validate_default=True)] = Path(".data")
    gateway_routes: Path = Path(__file__).with_name("routes.toml")


class GatewaySettings(RoutesSettings):
    """The gateway's settings. Durations are in seconds."""

    gateway_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "sallyport"
    """What this deployment is called in Via. A chain of gateways in which two have one name is taken for a loop."""
    auth_url: str
    auth_ca_file: str = ""
    auth_client_cert_file: str = ""
    auth_client_key_file: str = ""
    """For an auth service under https://, as ca_file, client_cert_file and client_key_file of an upstream are."""
    redis_url: SecretStr
    peer_secret: StrongSecret
    token_issuer: str = DEFAULT_ISSUER
    access_audience: str = DEFAULT_ACCESS_AUDIENCE
    access_token_leeway: Annotated[float, Field(ge=0, le=LEEWAY)] = LEEWAY
    """By how much the auth service's clock may differ from this one's: for exp, iat and nbf of access tokens."""
    verified_tokens: Annotated[int, Field(ge=1)] = 100_000
    """How many verified tokens a worker remembers; about 2.4 KB each with its assertion."""
    jwks_max_age: Annotated[int, Field(ge=1, le=3_600)] = 60
    """After this long a signing key that the auth service has withdrawn is refused."""
    revocation_fail: Literal["open", "closed"] = "open"
    """Whether requests go on while revocations cannot be learned, or are answered 503."""
    session_cookie_secure: bool = True
    """Off is for plain http on localhost alone: the cookie then is `session`, without Secure and `__Host-`."""
    allowed_origins: Annotated[AllowedOrigins | None, BeforeValidator(_origins)] = None
    """Origins besides the gateway's own whose pages may use it, comma-separated, as `https://app.example.com`."""
    cors_max_age: Annotated[int, Field(ge=0, le=86_400)] = 600
    """For so long a browser may remember the answer to a preflight."""
    trusted_proxies: Annotated[frozenset[Peer], BeforeValidator(_peers)] = frozenset()
    """Who in front of the gateway may say who the client is: addresses, networks and `unix`, comma-separated."""
    proxy_protocol: Annotated[Versions, AfterValidator(_from_somebody)] = "off"
    """The header with which every connection of a trusted proxy begins."""
    hsts_max_age: Annotated[int, Field(ge=0, le=94_608_000)] = 31_536_000
    """For so long a client that came by TLS is to come by nothing else; 0 says nothing."""
    hsts_include_subdomains: bool = False
    gateway_internal_bind: str = ""
    gateway_forward_auth: Exposure = "internal"
    """At which address proxies may ask about requests; its answers hold identity assertions."""
    gateway_notice: Annotated[float, Field(ge=0, le=20)] = 1
    """How long a stopping gateway still serves, while /readyz says 503 already and a balancer has time to look."""
    gateway_streams: Annotated[int, Field(ge=1, le=65_535)] = 1_000
    """How many streams a worker keeps open at once, each of which takes two file descriptors."""
    max_header_fields: Annotated[int, Field(ge=10, le=HIGHEST_LIMITS.header_fields)] = DEFAULT_LIMITS.header_fields
    """Fields of a request's header section; more are answered 431."""
    max_header_bytes: Annotated[int, Field(ge=1_024, le=HIGHEST_LIMITS.header_bytes)] = DEFAULT_LIMITS.header_bytes
    """Bytes of a request's header section; more are answered 431."""
    max_target_bytes: Annotated[int, Field(ge=256, le=HIGHEST_LIMITS.target_bytes)] = DEFAULT_LIMITS.target_bytes
    """Bytes of path and query; more are answered 414."""
    websocket_idle: Annotated[float, Field(ge=1, le=86_400)] = 300
    """After so long a silence on both sides a WebSocket is ended."""
    access_log: Annotated[int, BeforeValidator(_every)] = True
    """One line in so many requests that went well, and one for each that was refused or failed; 0 writes none."""
    rate_limits: bool = True
    session_rate: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(30_000, 60)
    """How often one address may call /session/."""

    @property
    def origins(self) -> AllowedOrigins:
        """ALLOWED_ORIGINS, or its default: pages on this machine in development, none in production."""
        if self.allowed_origins is not None:
            return self.allowed_origins
        return read_allowed_origins(DEVELOPMENT_ORIGINS if self.app_env == "development" else "")

    @property
    def request_limits(self) -> RequestLimits:
        """The bounds of a request's head."""
        return RequestLimits(self.max_header_fields, self.max_header_bytes, self.max_target_bytes)


class ServingSettings(Settings):
    """How the gateway's processes are run."""

    gateway_port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    gateway_bind: str = ""
    gateway_internal_bind: str = ""
    """Where the internal endpoints listen, for operators alone: host:port or unix:/path; nowhere if empty."""
    gateway_workers: Annotated[int, Field(ge=1, le=256)] = 2
    gateway_keepalive: Annotated[int, Field(ge=1, le=3_600)] = 75

    @property
    def bind(self) -> list[str]:
        """What gunicorn listens on: GATEWAY_BIND, or GATEWAY_PORT on loopback, and GATEWAY_INTERNAL_BIND."""
        public = self.gateway_bind or f"127.0.0.1:{self.gateway_port}"
        return [public, self.gateway_internal_bind] if self.gateway_internal_bind else [public]
