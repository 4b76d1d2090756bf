"""Reads routes.toml. A file is taken whole or not at all: every complaint names the place in it."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from contract.keys import AssertionSigner, WeakKey, assertion_signer
from gateway.routes import (
    AUTH_UPSTREAM,
    AUTHENTICATED,
    METHODS,
    PUBLIC,
    Address,
    Route,
    RouteTable,
    Timeouts,
    Upstream,
)


class RoutesError(Exception):
    """The routes file is refused; the text names the place and the reason, a line each."""


def load_routes(file: Path, *, environ: Mapping[str, str], data_dir: Path) -> RouteTable:
    """The table in `file`, with ${NAMES} from `environ` and secrets' files relative to `data_dir`.

    Raises RoutesError.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RoutesError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RoutesError(f"{file} is no TOML: {error}") from error
    return parse_routes(document, environ=environ, data_dir=data_dir)


def parse_routes(document: Mapping[str, Any], *, environ: Mapping[str, str], data_dir: Path) -> RouteTable:
    """The table in a parsed routes file. Raises RoutesError."""
    try:
        written = _File.model_validate(_expand(document, environ, ""))
    except ValidationError as error:
        raise RoutesError("\n".join(_complaints(error))) from error
    asserted = {route.upstream for route in written.routes if route.access != PUBLIC}
    upstreams = {
        name: _upstream(name, upstream, name in asserted, environ, data_dir)
        for name, upstream in written.upstreams.items()
    }
    routes = [_route(number, route, upstreams) for number, route in enumerate(written.routes)]
    _refuse_twins(routes)
    return RouteTable(routes)


# --- the file's form -------------------------------------------------------------------------------------------

_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|KiB|MiB|GiB)?", re.ASCII)
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_PREFIX = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*(?:[A-Za-z0-9._~-]+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
_ROLE = re.compile(r"[^\s,]+")
_AUTHORITY = re.compile(r"[A-Za-z0-9._~:\[\]-]+", re.ASCII)


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


def _access(value: object) -> object:
    is_list_of_roles = isinstance(value, list) and value and all(_ROLE.fullmatch(str(role)) for role in value)
    if value not in (PUBLIC, AUTHENTICATED) and not is_list_of_roles:
        raise ValueError('must be "public", "authenticated" or a list of roles')
    return value


def _methods(value: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(value - METHODS):
        raise ValueError(f"knows {', '.join(sorted(METHODS))}, not {', '.join(unknown)}")
    return value


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Timeout(_Table):
    connect: Annotated[float, Field(gt=0, le=60)] = 1
    read: Annotated[float, Field(ge=0, le=86_400)] = 30
    total: Annotated[float, Field(ge=0, le=86_400)] = 60


class _Upstream(_Table):
    urls: Annotated[list[str], Field(min_length=1)]
    audience: str = ""
    identity: bool = True
    identity_secret_file: str = ""
    identity_secret_env: str = ""
    max_connections: Annotated[int, Field(ge=1, le=65_535)] = 4_096


class _Route(_Table):
    prefix: Annotated[str, AfterValidator(_prefix)]
    upstream: str
    access: Annotated[str | list[str], BeforeValidator(_access)]
    methods: Annotated[frozenset[str], Field(min_length=1), AfterValidator(_methods)] = METHODS
    max_body: Annotated[int, BeforeValidator(_size), Field(ge=0)] = 2**20
    timeout: _Timeout = _Timeout()


class _File(_Table):
    upstreams: dict[str, _Upstream] = {}
    routes: list[_Route] = []


def _complaints(error: ValidationError) -> list[str]:
    found: dict[str, None] = {}
    for problem in error.errors(include_input=False, include_url=False):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
        found[f"{place.lstrip('.')}: {problem['msg'].removeprefix('Value error, ')}"] = None
    return list(found)


# --- from the file's form to ours --------------------------------------------------------------------------------

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def _expand(value: Any, environ: Mapping[str, str], place: str) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match[1], environ, place), value)
    if isinstance(value, Mapping):
        return {key: _expand(member, environ, f"{place}.{key}".lstrip(".")) for key, member in value.items()}
    if isinstance(value, list):
        return [_expand(member, environ, f"{place}[{number}]") for number, member in enumerate(value)]
    return value


def _variable(name: str, environ: Mapping[str, str], place: str) -> str:
    if name not in environ:
        raise RoutesError(f"{place}: the environment has no {name}")
    return environ[name]


def _upstream(name: str, written: _Upstream, asserted: bool, environ: Mapping[str, str], data_dir: Path) -> Upstream:
    place = f"upstreams.{name}"
    if not _NAME.fullmatch(name):
        raise RoutesError(f"{place}: a name is made of letters, digits, - and _")
    signer = None
    if written.identity and name != AUTH_UPSTREAM:
        signer = _signer(place, written, asserted, environ, data_dir)
    return Upstream(
        name=name,
        addresses=tuple(parse_address(url, f"{place}.urls") for url in written.urls),
        audience=written.audience or name,
        signer=signer,
        max_connections=written.max_connections,
    )


def parse_address(url: str, place: str) -> Address:
    """The address in `http://host:port` or `unix:/path`. Raises RoutesError that names `place`."""
    if url.startswith("unix:/"):
        return Address(authority="localhost", path=url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RoutesError(f"{place}: {url!r} is no URL") from error
    is_plain = _AUTHORITY.fullmatch(parts.netloc) and not parts.path.strip("/") and not parts.query
    if parts.scheme != "http" or not host or not is_plain:
        raise RoutesError(f"{place}: {url!r} must be http://host:port or unix:/path")
    return Address(authority=parts.netloc, host=host, port=port or 80)


def _signer(
    place: str, written: _Upstream, asserted: bool, environ: Mapping[str, str], data_dir: Path
) -> AssertionSigner | None:
    if written.identity_secret_file and written.identity_secret_env:
        raise RoutesError(f"{place}: identity_secret_file and identity_secret_env are both set: keep one")
    if written.identity_secret_env:
        source, secret = written.identity_secret_env, environ.get(written.identity_secret_env, "")
    elif written.identity_secret_file:
        source, secret = written.identity_secret_file, _secret_in(data_dir / written.identity_secret_file, place)
    elif asserted:
        raise RoutesError(
            f"{place}: a route needs its assertion, so give identity_secret_file or identity_secret_env,"
            " or identity = false for a service that is not ours"
        )
    else:
        return None
    try:
        return assertion_signer(secret)
    except WeakKey as error:
        raise RoutesError(f"{place}: the identity secret in {source} {error}") from error


def _secret_in(file: Path, place: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RoutesError(f"{place}: the identity secret's file {file.name} cannot be read") from error


def _route(number: int, written: _Route, upstreams: Mapping[str, Upstream]) -> Route:
    place = f"routes[{number}]"
    upstream = upstreams.get(written.upstream)
    if upstream is None:
        raise RoutesError(f"{place}.upstream: there is no [upstreams.{written.upstream}]")
    methods = written.methods | {"HEAD"} if "GET" in written.methods else written.methods  # RFC 9110 9.3.2
    return Route(
        prefix=written.prefix,
        upstream=upstream,
        public=written.access == PUBLIC,
        roles=frozenset(written.access) if isinstance(written.access, list) else frozenset(),
        methods=methods,
        max_body=written.max_body,
        timeouts=Timeouts(written.timeout.connect, written.timeout.read, written.timeout.total),
    )


def _refuse_twins(routes: Sequence[Route]) -> None:
    seen: set[str] = set()
    for number, route in enumerate(routes):
        prefix = route.prefix.rstrip("/")
        if prefix in seen:
            raise RoutesError(f"routes[{number}].prefix: {route.prefix!r} stands twice")
        seen.add(prefix)
