"""Owns the form of routes.toml: which keys its tables have, and what may stand there."""

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from chassis.rates import Rate, parse_rate
from gateway.http.field_names import folded
from gateway.http.request_headers import may_be_forwarded, may_be_set_on_requests
from gateway.http.response_headers import may_be_exposed, may_be_set_on_answers
from gateway.routing.routes import AUTHENTICATED, METHODS, PUBLIC, Per

_Named = TypeVar("_Named", dict[str, str], list[str])
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
    raise ValueError('must be a size in bytes, as 1048576 or "1MiB"')


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError('must be a path of plain segments, as "/api/"')
    return value


def _health_path(value: str) -> str:
    if not _HEALTH_PATH.fullmatch(value):
        raise ValueError('must be a path, as "/healthz"')
    return value


def _host(value: str | None) -> str | None:
    if value is None:
        return None
    name = _HOST.fullmatch(value)
    if name is None or int(name[1] or 0) > 65_535:
        raise ValueError('must be "client", "upstream" or a host\'s name, as "reports.example"')
    return value


def _access(value: object) -> object:
    is_list_of_roles = isinstance(value, list) and value and all(_ROLE.fullmatch(str(role)) for role in value)
    if value not in (PUBLIC, AUTHENTICATED) and not is_list_of_roles:
        raise ValueError('must be "public", "authenticated" or a list of roles')
    return value


def _methods(value: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(value - METHODS):
        raise ValueError(f"knows {', '.join(sorted(METHODS))}, not {', '.join(unknown)}")
    return value


def _request_name(name: str) -> str:
    if not may_be_set_on_requests(name):
        raise ValueError("must be a plain name that is not the gateway's own to say")
    return name


def _forwarded_name(name: str) -> str:
    if not may_be_forwarded(name):
        raise ValueError("must be the name of a field that the gateway does not say itself, in any spelling")
    return name


def _no_spelling_of_fixed(names: list[str], info: ValidationInfo) -> list[str]:
    """A client could add to what the route itself says by a name that a service folds to the same variable."""
    fixed = {name.lower().encode() for name in info.data.get("request_headers", {})}
    lower = {name: name.lower().encode() for name in names}
    if both := [name for name, raw in lower.items() if folded(raw) != raw and folded(raw) in fixed]:
        raise ValueError(f"holds {both[0]}, which a service could take for a field of request_headers")
    return names


def _answer_name(name: str) -> str:
    if not may_be_set_on_answers(name):
        raise ValueError("must be a plain name that is not the gateway's own to say")
    return name


def _exposed_name(name: str) -> str:
    if not may_be_exposed(name):
        raise ValueError("must be the name of a field that reaches clients")
    return name


def _field_value(value: str) -> str:
    if not _FIELD_VALUE.fullmatch(value):
        raise ValueError("must be visible ASCII, with spaces at most between")
    return value


def _no_twins(fields: _Named) -> _Named:
    if len({name.lower() for name in fields}) < len(fields):
        raise ValueError("says a field twice: upper and lower case are the same")
    return fields


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_FieldValue = Annotated[str, AfterValidator(_field_value)]


class TimeoutForm(_Table):
    """Seconds."""

    connect: Annotated[float, Field(gt=0, le=60)] = 1
    read: Annotated[float, Field(ge=0, le=86_400)] = 30
    total: Annotated[float, Field(ge=0, le=86_400)] = 60


class HealthForm(_Table):
    """How addresses are asked whether they are well. Times in seconds."""

    path: Annotated[str, AfterValidator(_health_path)]
    interval: Annotated[float, Field(ge=0.1, le=3_600)] = 5
    timeout: Annotated[float, Field(gt=0, le=60)] = 1
    unhealthy_after: Annotated[int, Field(ge=1, le=100)] = 3
    healthy_after: Annotated[int, Field(ge=1, le=100)] = 2


class UpstreamForm(_Table):
    """`[upstreams.NAME]`."""

    urls: Annotated[list[str], Field(min_length=1)]
    audience: str = ""
    identity: bool = True
    identity_secret_file: str = ""
    identity_secret_env: str = ""
    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    max_connections: Annotated[int, Field(ge=1, le=65_535)] = 4_096
    eject_after: Annotated[int, Field(ge=0, le=16)] = 3
    break_after: Annotated[int, Field(ge=0, le=1_000)] = 5
    health: HealthForm | None = None
    resolve_interval: Annotated[float, Field(ge=0.1, le=3_600)] = 10
    max_connection_age: Annotated[float, Field(ge=0, le=86_400)] = 300
    max_connection_requests: Annotated[int, Field(ge=0, le=1_000_000_000)] = 10_000
    host: Annotated[str | None, AfterValidator(_host)] = None


class LimitForm(_Table):
    """How often one address or identity may come."""

    per: Per
    rate: Annotated[Rate, BeforeValidator(parse_rate)]


class RouteForm(_Table):
    """`[[routes]]`."""

    prefix: Annotated[str, AfterValidator(_prefix)]
    upstream: str
    access: Annotated[str | list[str], BeforeValidator(_access)]
    methods: Annotated[frozenset[str], Field(min_length=1), AfterValidator(_methods)] = METHODS
    max_body: Annotated[int, BeforeValidator(_size), Field(ge=0)] = 2**20
    timeout: TimeoutForm = TimeoutForm()
    strip_prefix: bool = False
    request_headers: Annotated[
        dict[Annotated[str, AfterValidator(_request_name)], _FieldValue], AfterValidator(_no_twins)
    ] = {}
    forward_headers: Annotated[
        list[Annotated[str, AfterValidator(_forwarded_name)]],
        AfterValidator(_no_twins),
        AfterValidator(_no_spelling_of_fixed),
    ] = []
    response_headers: Annotated[
        dict[Annotated[str, AfterValidator(_answer_name)], _FieldValue], AfterValidator(_no_twins)
    ] = {}
    expose_headers: Annotated[list[Annotated[str, AfterValidator(_exposed_name)]], AfterValidator(_no_twins)] = []
    keep_cookies: bool = False
    limits: list[LimitForm] = []
    max_concurrent: Annotated[int | None, Field(ge=1, le=65_535)] = None
    queue: Annotated[int | None, Field(ge=0, le=65_535)] = None
    max_wait: Annotated[float | None, Field(gt=0, le=300)] = None
    max_answer: Annotated[int | None, BeforeValidator(_size), Field(ge=1)] = None
    websocket: bool = False
    streams: bool = False
