"""The gateway's settings, read from environment variables; docs/settings.md explains each."""

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, TypeAdapter, ValidationError, ValidationInfo

from chassis.rates import Rate, parse_rate
from chassis.redis_url import check_redis_url
from chassis.settings import Settings, StrongSecret
from chassis.tracing.settings import TracingSettings
from chassis.utc_time import parse_utc_time
from contract.claims import DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER, LEEWAY, RESERVED_CLAIMS
from gateway.http.gateway_paths import Access, Exposure
from gateway.http.origin import AllowedOrigins, parse_allowed_origins
from gateway.http.request_limits import DEFAULT_LIMITS, HIGHEST_LIMITS, RequestLimits
from gateway.routing.loader import DEFAULT_LOGIN_URL
from gateway.server.client_address import TrustedPeer
from gateway.server.proxy_protocol import Versions

DEVELOPMENT_ORIGINS = (
    "http://localhost:*,http://127.0.0.1:*,http://[::1]:*,https://localhost,capacitor://localhost,ionic://localhost"
)
"""The default of ALLOWED_ORIGINS in development: dev servers on this machine, and Capacitor apps."""


def _origins(value: object) -> object:
    return parse_allowed_origins(value) if isinstance(value, str) else value


_ONE_IN_N = re.compile(r"1/([1-9][0-9]{0,5})", re.ASCII)
_ON_OR_OFF = TypeAdapter(bool)


def _sampling_interval(value: object) -> int:
    """Return n if one request in n is logged: 1 for on, 0 for off."""
    if isinstance(value, str) and (one_in_n := _ONE_IN_N.fullmatch(value)):
        return int(one_in_n[1])
    try:
        return int(_ON_OR_OFF.validate_python(value))
    except ValidationError:
        raise ValueError(f"must be on, off, or a share such as 1/100; got {value!r}") from None


def _peers(value: object) -> object:
    if not isinstance(value, str):
        return value
    peers = frozenset(_peer(name.strip()) for name in value.split(",") if name.strip())
    of_version_4 = [peer for peer in peers if isinstance(peer, IPv4Network)]
    of_version_6 = [peer for peer in peers if isinstance(peer, IPv6Network)]
    collapsed = {*map(str, collapse_addresses(of_version_4)), *map(str, collapse_addresses(of_version_6))}
    for everything in ("0.0.0.0/0", "::/0"):
        if everything in collapsed:
            raise ValueError(f"must not contain all of {everything}: every client could then forge its own address")
    return peers


def _peer(name: str) -> TrustedPeer:
    if name == "unix":
        return "unix"
    try:
        return ip_network(name)
    except ValueError as error:
        raise ValueError(f"must list addresses, networks (10.0.0.0/8) and unix, comma-separated: {error}") from None


def _needs_trusted_proxies(versions: Versions, info: ValidationInfo) -> Versions:
    if versions != "off" and not info.data.get("trusted_proxies"):
        raise ValueError("needs TRUSTED_PROXIES: the PROXY header is only read on connections from these")
    return versions


def _usable_redis(url: SecretStr) -> SecretStr:
    check_redis_url(url.get_secret_value())
    return url


def _words(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _forwarded_claims(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name in RESERVED_CLAIMS:
            raise ValueError(f"must not contain {name}: it is not a claim of the claims hook")
    return tuple(dict.fromkeys(names))


def _required_in_production(value: object, info: ValidationInfo) -> object:
    # Only the default is a Path; a value from the environment is text.
    if isinstance(value, Path) and info.data.get("app_env") == "production":
        raise ValueError("is required in production: secrets are not read from .data in the working directory")
    return value


def _is_public_https(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "") not in _LOOPBACK


def _not_in_production(development: bool, info: ValidationInfo) -> bool:
    if development and info.data.get("app_env") == "production":
        raise ValueError("must be off in production (APP_ENV): anybody could make requests fail")
    if development and _is_public_https(info.data.get("public_url", "")):
        raise ValueError("must be off for a public https PUBLIC_URL: anybody could make requests fail")
    return development


def _has_index(folder: Path | None, info: ValidationInfo) -> Path | None:
    # In development, the app may be built while the gateway runs.
    if folder is not None and not info.data.get("development") and not (folder / "index.html").is_file():
        raise ValueError("has no index.html: build the app, or unset this")
    return folder


_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LOGIN_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?(?:\?[A-Za-z0-9._~!$'()*+,:@/?=&%-]*)?", re.ASCII)
_LOGIN_ORIGIN = re.compile(
    r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.ASCII
)


def _login_url(value: str) -> str:
    origin = _LOGIN_ORIGIN.match(value)
    path = value[origin.end() :] if origin else value
    segments = path.partition("?")[0].split("/")
    if not path.startswith("/") or not _LOGIN_PATH.fullmatch(path) or {".", ".."} & set(segments):
        raise ValueError(
            'must be a path such as "/auth/login/", or an https URL such as "https://app.example.com/login";'
            f" got {value!r}"
        )
    return value


class RoutesSettings(Settings):
    """What the routes file refers to: the folder of its secrets, and the log-in page."""

    data_dir: Annotated[Path, BeforeValidator(_required_in_production), Field(validate_default=True)] = Path(".data")
    """The folder to which the paths of secret and certificate files are relative."""
    gateway_routes: Path = Path(__file__).with_name("routes.toml")
    """The routes file."""
    login_url: Annotated[str, AfterValidator(_login_url)] = DEFAULT_LOGIN_URL
    """The log-in page of routes with `login = "redirect"`: a path of the gateway, or an https URL of the app."""


class GatewaySettings(RoutesSettings, TracingSettings):
    """The gateway's settings. Durations are in seconds."""

    public_url: str = ""
    """The URL of the gateway for clients, which the auth service uses. Here it only restricts DEVELOPMENT."""
    development: Annotated[bool, AfterValidator(_not_in_production)] = False
    """Serves what developers of clients use: the first page, and faults for clients under test."""
    app_dir: Annotated[Path | None, AfterValidator(_has_index)] = None
    """The folder with the built files of a single-page app, which is served at /app/; unset: none is served."""
    gateway_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "sallyport"
    """This deployment's pseudonym in Via (RFC 9110 7.6.3). Two gateways in a chain need different names: a request
    that already carries this name is refused as a loop."""
    auth_url: str
    """The auth service's address: http://host:port, https://host:port or unix:/path."""
    auth_ca_file: str = ""
    auth_client_cert_file: str = ""
    auth_client_key_file: str = ""
    """TLS files for an https:// AUTH_URL, like ca_file, client_cert_file and client_key_file of an upstream."""
    redis_url: Annotated[SecretStr, AfterValidator(_usable_redis)]
    peer_secret: StrongSecret
    """Authenticates the gateway at the auth service, which has the same secret."""
    token_issuer: str = DEFAULT_ISSUER
    """The claim `iss` that an access token must have. The auth service must have the same value."""
    access_audience: str = DEFAULT_ACCESS_AUDIENCE
    """The claim `aud` that an access token must have. The auth service must have the same value."""
    identity_claims: Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_forwarded_claims)] = ()
    """Claims of the claims hook that identity assertions contain, separated by commas."""
    access_token_leeway: Annotated[float, Field(ge=0, le=LEEWAY)] = LEEWAY
    """Tolerated clock skew in seconds, for exp, iat and nbf of access tokens."""
    verified_tokens: Annotated[int, Field(ge=1)] = 100_000
    """Number of verified tokens that a worker caches; about 0.9 KB each, with the identity assertions.

    It also caches as many session handles, and a quarter as many identity assertions.
    """
    simplejwt_until: Annotated[float | None, BeforeValidator(parse_utc_time)] = None
    """Access tokens of a Django project are exchanged at the auth service until then, in seconds since the epoch."""
    jwks_max_age: Annotated[int, Field(ge=1, le=3_600)] = 60
    """Seconds for which the JWKS is cached: a withdrawn signing key is refused after this time at the latest, if the
    auth service can be reached."""
    revocation_fail: Literal["open", "closed"] = "open"
    """While the revocation feed is unavailable: open admits requests with valid tokens, closed answers 503."""
    session_cookie_secure: bool = True
    """Turn it off for plain HTTP on localhost only: the cookie is then named `session`, without Secure."""
    allowed_origins: Annotated[AllowedOrigins | None, BeforeValidator(_origins)] = None
    """Origins whose pages may call the gateway, besides its own: comma-separated, such as `https://app.example.com`."""
    cors_max_age: Annotated[int, Field(ge=0, le=86_400)] = 600
    """Access-Control-Max-Age in seconds: how long browsers cache a preflight response."""
    trusted_proxies: Annotated[frozenset[TrustedPeer], BeforeValidator(_peers)] = frozenset()
    """Proxies whose Forwarded and X-Forwarded-For are trusted: addresses, networks and `unix`, comma-separated."""
    proxy_protocol: Annotated[Versions, AfterValidator(_needs_trusted_proxies)] = "off"
    """Version of the PROXY protocol header that every connection from a trusted proxy must begin with."""
    hsts_max_age: Annotated[int, Field(ge=0, le=94_608_000)] = 31_536_000
    """`max-age` of Strict-Transport-Security in seconds; 0 omits the header."""
    hsts_include_subdomains: bool = False
    """Whether Strict-Transport-Security contains `includeSubDomains`."""
    gateway_internal_bind: str = ""
    """Where the internal endpoints listen; see ServingSettings."""
    gateway_forward_auth: Exposure = "internal"
    """Where /forward-auth is served; its responses carry identity assertions."""
    api_docs: Access | None = None
    """Who may read /openapi.json and /docs/: everybody (public), staff, or nobody (off)."""
    gateway_notice: Annotated[float, Field(ge=0, le=20)] = 1
    """Seconds between SIGTERM and closing the listeners. Meanwhile /readyz answers 503 for load balancers."""
    gateway_streams: Annotated[int, Field(ge=1, le=65_535)] = 1_000
    """Maximum number of streams that one worker keeps open at once; each takes two file descriptors."""
    max_header_fields: Annotated[int, Field(ge=10, le=HIGHEST_LIMITS.header_fields)] = DEFAULT_LIMITS.header_fields
    """Maximum number of header fields in a request; more are answered 431."""
    max_header_bytes: Annotated[int, Field(ge=1_024, le=HIGHEST_LIMITS.header_bytes)] = DEFAULT_LIMITS.header_bytes
    """Maximum bytes of a request's header fields; more are answered 431."""
    max_target_bytes: Annotated[int, Field(ge=256, le=HIGHEST_LIMITS.target_bytes)] = DEFAULT_LIMITS.target_bytes
    """Maximum bytes of a request's path and query; more are answered 414."""
    websocket_idle: Annotated[float, Field(ge=1, le=86_400)] = 300
    """Seconds without a message in either direction after which a WebSocket is closed."""
    access_log: Annotated[int, BeforeValidator(_sampling_interval)] = 1
    """One in this many successful requests is logged, and every refused or failed one; 0 turns the log off."""
    traceparent_from: Literal["trusted_proxies", "everyone", "nobody"] = "trusted_proxies"
    """Whose traces are continued. A stranger could choose trace ids, and have every request recorded."""
    rate_limits: bool = True
    """False disables the rate limits of all routes and of /session/, for load tests."""
    session_rate: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(30_000, 60)
    """Maximum rate of requests under /session/ from one address."""

    @property
    def origins(self) -> AllowedOrigins:
        """Return ALLOWED_ORIGINS, or its default: DEVELOPMENT_ORIGINS in development, none in production."""
        if self.allowed_origins is not None:
            return self.allowed_origins
        return parse_allowed_origins(DEVELOPMENT_ORIGINS if self.app_env == "development" else "")

    @property
    def api_docs_access(self) -> Access:
        """Return API_DOCS, or its default: public in development, off in production."""
        if self.api_docs is not None:
            return self.api_docs
        return "public" if self.app_env == "development" else "off"

    @property
    def request_limits(self) -> RequestLimits:
        """Return the limits on request heads."""
        return RequestLimits(self.max_header_fields, self.max_header_bytes, self.max_target_bytes)


class ServingSettings(Settings):
    """Settings of the gateway's gunicorn processes."""

    gateway_port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    """Port on loopback, if GATEWAY_BIND is empty."""
    gateway_bind: str = ""
    """The public listen address: host:port or unix:/path."""
    gateway_internal_bind: str = ""
    """Where the internal endpoints (metrics, forward-auth) listen: host:port or unix:/path; empty turns them off."""
    gateway_compiled: bool = False
    """True refuses to start a gateway that is not compiled. `make run` then runs the copy of `make compile`."""
    gateway_workers: Annotated[int, Field(ge=1, le=256)] = 2
    """Number of worker processes."""
    gateway_keepalive: Annotated[int, Field(ge=1, le=3_600)] = 75
    """Seconds after which an idle client connection is closed."""

    @property
    def bind(self) -> list[str]:
        """Return the addresses that gunicorn binds: the public one, and GATEWAY_INTERNAL_BIND if it is set.

        The public one is GATEWAY_BIND, or else GATEWAY_PORT on loopback.
        """
        public = self.gateway_bind or f"127.0.0.1:{self.gateway_port}"
        return [public, self.gateway_internal_bind] if self.gateway_internal_bind else [public]
