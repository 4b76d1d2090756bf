"""The schema of routes.toml: the keys of its tables, their types, ranges and defaults.

docs/routes.md explains each key; Route and Upstream (routes.py) say what the gateway does with the values.
"""

import re
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from chassis.rates import Rate, parse_rate
from gateway.http.header_fields import normalized_name
from gateway.http.request_headers import may_be_forwarded, may_be_set_on_requests, may_carry_claims
from gateway.http.response_headers import may_be_exposed, may_be_set_on_responses
from gateway.routing.routes import AUTHENTICATED, METHODS, PUBLIC, Claim, Per

_Named = TypeVar("_Named", dict[str, str], dict[str, Claim], list[str])
_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|KiB|MiB|GiB)?", re.ASCII)
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_PREFIX = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*(?:[A-Za-z0-9._~-]+)?", re.ASCII)
_FIELD_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?)?")
_HEALTH_PATH = re.compile(r"/[!-~]*", re.ASCII)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
_ROLE = re.compile(r"[^\s,]+")


def _size(value: object) -> object:
    if isinstance(value, str) and (parts := _SIZE.fullmatch(value.strip())):
        return int(parts[1]) * _UNITS[parts[2] or "B"]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError('must be a size in bytes, such as 1048576 or "1MiB"')


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError(f'must begin with "/" and consist of plain segments, such as "/api/"; got {value!r}')
    return value


def _health_path(value: str) -> str:
    if not _HEALTH_PATH.fullmatch(value):
        raise ValueError(f'must be a path, such as "/healthz"; got {value!r}')
    return value


def _host(value: str | None) -> str | None:
    if value is None:
        return None
    name = _HOST.fullmatch(value)
    if name is None or int(name[1] or 0) > 65_535:
        raise ValueError(f'must be "client", "upstream" or a host name, such as "reports.example"; got {value!r}')
    return value


def _access(value: object) -> object:
    is_role_list = isinstance(value, list) and value and all(_ROLE.fullmatch(str(role)) for role in value)
    if value not in (PUBLIC, AUTHENTICATED) and not is_role_list:
        raise ValueError('must be "public", "authenticated" or a list of roles')
    return value


def _methods(value: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(value - METHODS):
        raise ValueError(f"must be among {', '.join(sorted(METHODS))}; got {', '.join(unknown)}")
    return value


def _request_header(name: str) -> str:
    if not may_be_set_on_requests(name):
        raise ValueError("must be a header name of letters, digits and - that the gateway does not set itself")
    return name


def _identity_header(name: str) -> str:
    if not may_carry_claims(name):
        raise ValueError(
            "must be a header name of letters, digits and - that neither the gateway nor the request itself needs,"
            f' such as "Remote-User"; got {name!r}'
        )
    return name


def _claim(value: object) -> object:
    if value not in get_args(Claim):
        raise ValueError(f"must be a claim of the access token: {', '.join(get_args(Claim))}; got {value!r}")
    return value


def _forwarded_header(name: str) -> str:
    if not may_be_forwarded(name):
        raise ValueError('must be a header name that the gateway does not set itself; "_" and "." count as "-"')
    return name


def _no_alias_of_override(names: list[str], info: ValidationInfo) -> list[str]:
    """Reject names that a CGI or WSGI service maps to the same variable as a field in request_headers."""
    overrides = {name.lower().encode() for name in info.data.get("request_headers", {})}
    for name in names:
        lower = name.lower().encode()
        if normalized_name(lower) != lower and normalized_name(lower) in overrides:
            raise ValueError(f"contains {name}, which a service could mistake for a field of request_headers")
    return names


def _response_header(name: str) -> str:
    if not may_be_set_on_responses(name):
        raise ValueError("must be a header name of letters, digits and - that the gateway does not set itself")
    return name


def _exposed_header(name: str) -> str:
    if not may_be_exposed(name):
        raise ValueError("must be the name of a header field that reaches clients")
    return name


def _field_value(value: str) -> str:
    if not _FIELD_VALUE.fullmatch(value):
        raise ValueError("must be visible ASCII, with spaces only between words")
    return value


def _unique_names(fields: _Named) -> _Named:
    if len({name.lower() for name in fields}) < len(fields):
        raise ValueError("contains a field twice; names are case-insensitive")
    return fields


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_FieldValue = Annotated[str, AfterValidator(_field_value)]


class TimeoutEntry(_Table):
    """A route's timeouts in seconds; 0 for `read` or `total` means no limit."""

    connect: Annotated[float, Field(gt=0, le=60)] = 1
    read: Annotated[float, Field(ge=0, le=86_400)] = 30
    total: Annotated[float, Field(ge=0, le=86_400)] = 60


class HealthCheckEntry(_Table):
    """Active health checks of an upstream. Times in seconds."""

    path: Annotated[str, AfterValidator(_health_path)]
    interval: Annotated[float, Field(ge=0.1, le=3_600)] = 5
    timeout: Annotated[float, Field(gt=0, le=60)] = 1
    unhealthy_after: Annotated[int, Field(ge=1, le=100)] = 3
    healthy_after: Annotated[int, Field(ge=1, le=100)] = 2


class UpstreamEntry(_Table):
    """One `[upstreams.NAME]` table."""

    urls: Annotated[list[str], Field(min_length=1)]
    audience: str = ""
    identity: bool = True
    identity_headers: Annotated[
        dict[Annotated[str, AfterValidator(_identity_header)], Annotated[Claim, BeforeValidator(_claim)]],
        AfterValidator(_unique_names),
    ] = {}
    identity_secret_file: str = ""
    identity_secret_env: str = ""
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    max_connections: Annotated[int, Field(ge=1, le=65_535)] = 4_096
    eject_after: Annotated[int, Field(ge=0, le=16)] = 3
    break_after: Annotated[int, Field(ge=0, le=1_000)] = 5
    health: HealthCheckEntry | None = None
    resolve_interval: Annotated[float, Field(ge=0.1, le=3_600)] = 10
    max_connection_age: Annotated[float, Field(ge=0, le=86_400)] = 300
    max_connection_requests: Annotated[int, Field(ge=0, le=1_000_000_000)] = 10_000
    host: Annotated[str | None, AfterValidator(_host)] = None
    openapi: Annotated[str, AfterValidator(_health_path)] = ""


class RateLimitEntry(_Table):
    """A rate limit: the requests that one address or identity may make in a period."""

    per: Per
    rate: Annotated[Rate, BeforeValidator(parse_rate)]


class RouteEntry(_Table):
    """One `[[routes]]` table."""

    prefix: Annotated[str, AfterValidator(_prefix)]
    upstream: str
    access: Annotated[str | list[str], BeforeValidator(_access)]
    methods: Annotated[frozenset[str], Field(min_length=1), AfterValidator(_methods)] = METHODS
    max_body: Annotated[int, BeforeValidator(_size), Field(ge=0)] = 2**20
    timeout: TimeoutEntry = TimeoutEntry()
    strip_prefix: bool = False
    replace_prefix: Annotated[str, AfterValidator(_prefix)] | None = None
    request_headers: Annotated[
        dict[Annotated[str, AfterValidator(_request_header)], _FieldValue], AfterValidator(_unique_names)
    ] = {}
    forward_headers: Annotated[
        list[Annotated[str, AfterValidator(_forwarded_header)]],
        AfterValidator(_unique_names),
        AfterValidator(_no_alias_of_override),
    ] = []
    response_headers: Annotated[
        dict[Annotated[str, AfterValidator(_response_header)], _FieldValue], AfterValidator(_unique_names)
    ] = {}
    expose_headers: Annotated[
        list[Annotated[str, AfterValidator(_exposed_header)]], AfterValidator(_unique_names)
    ] = []
    keep_cookies: bool = False
    forward_cookies: bool = False
    csrf: Literal["header", "origin"] = "header"
    limits: list[RateLimitEntry] = []
    login: Literal["redirect"] | None = None
    max_concurrent: Annotated[int | None, Field(ge=1, le=65_535)] = None
    queue: Annotated[int | None, Field(ge=0, le=65_535)] = None
    max_wait: Annotated[float | None, Field(gt=0, le=300)] = None
    max_answer: Annotated[int | None, BeforeValidator(_size), Field(ge=1)] = None
    websocket: bool = False
    streams: bool = False
