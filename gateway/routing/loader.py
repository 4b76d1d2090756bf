"""Read routes.toml into a RouteTable. A file with any problem is rejected as a whole, with every problem listed."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from gateway.http.header_fields import normalized_name
from gateway.routing.environment_variables import substitute
from gateway.routing.errors import Problems, ReportProblem, RoutesError, ValuePath
from gateway.routing.header_overrides import header_overrides
from gateway.routing.routes import (
    AUTH_UPSTREAM,
    IDENTITY,
    PUBLIC,
    ConcurrencyLimit,
    RateLimit,
    Route,
    RouteTable,
    Timeouts,
    Upstream,
)
from gateway.routing.schema import HealthCheckEntry, RateLimitEntry, RouteEntry, TimeoutEntry, UpstreamEntry
from gateway.routing.upstream_loader import UpstreamLoader

FILE_NAME = "routes.toml"

DEFAULT_LOGIN_URL = "/auth/login/"
"""The log-in page that the auth service serves."""

_Entry = TypeVar("_Entry", bound=BaseModel)

_REASONS = {"missing": "is required", "extra_forbidden": "is not a known key", "too_short": "must not be empty"}
"""The texts that replace pydantic's, by pydantic's error type."""

_KEYS = sorted(
    {
        key
        for entry in (RouteEntry, UpstreamEntry, HealthCheckEntry, RateLimitEntry, TimeoutEntry)
        for key in entry.model_fields
    }
)
"""Every key of the file, from which the one that a misspelled key resembles is suggested."""


def load_routes(
    file: Path,
    *,
    environ: Mapping[str, str],
    data_dir: Path,
    login_url: str = DEFAULT_LOGIN_URL,
    syntax_only: bool = False,
) -> RouteTable:
    """Return the routes in `file`. Variables come from `environ`; paths of secret files are relative to `data_dir`.

    `login_url` is the log-in page, to which routes may redirect. With `syntax_only`, variables and secret files need
    not exist, and the table is only for display. Raises RoutesError.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RoutesError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RoutesError(f"{file}: is not UTF-8 (at line {line})") from error
    return parse_routes(
        text,
        name=str(file),
        environ=environ,
        data_dir=data_dir,
        login_url=login_url,
        syntax_only=syntax_only,
    )


def parse_routes(
    text: str,
    *,
    name: str = FILE_NAME,
    environ: Mapping[str, str],
    data_dir: Path,
    login_url: str = DEFAULT_LOGIN_URL,
    syntax_only: bool = False,
) -> RouteTable:
    """Return the routes in `text`, as load_routes does. `name` is the file name in errors. Raises RoutesError."""
    document = _parse_toml(text, name)
    problems = Problems(name, document)
    document = substitute(document, environ, _ignore if syntax_only else problems.add)
    upstream_loader = UpstreamLoader(problems.add, environ, data_dir, syntax_only=syntax_only)
    routes = _RoutesReader(problems.add, upstream_loader, login_url).read(document)
    problems.raise_if_any()
    return RouteTable(routes, version_of(text))


def version_of(text: str) -> str:
    """Return the first twelve hex digits of the file's SHA-256, as `sha256sum` prints it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _ignore(path: ValuePath, reason: str) -> None:
    """Report nothing."""


def _parse_toml(text: str, name: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # its text gives line and column
        raise RoutesError(f"{name}: is not valid TOML: {error}") from error
    except RecursionError as error:
        raise RoutesError(f"{name}: is nested too deeply") from error


class _RoutesReader:
    """Reads one document. It reports a problem and continues, so that one run reports all of them."""

    def __init__(self, report: ReportProblem, upstream_loader: UpstreamLoader, login_url: str) -> None:
        self._report = report
        self._upstream_loader = upstream_loader
        self._login_url = login_url

    def read(self, document: Mapping[str, Any]) -> list[Route]:
        """Return the routes in `document`. The result is only usable if no problem was reported."""
        for key in document.keys() - {"upstreams", "routes"}:
            self._report((key,), "is not a known section; the file has [upstreams.NAME] and [[routes]]")
        entries = self._route_entries(document.get("routes", []))
        need_identity = {entry.upstream for _, entry in entries if entry.access != PUBLIC}
        upstreams = self._upstreams(document.get("upstreams", {}), need_identity)
        self._check_upstream_names(document.get("routes"), document.get("upstreams"))
        for index, entry in entries:
            self._check_limits(("routes", index, "limits"), entry)
            self._check_combinations(("routes", index), entry)
            if entry.upstream in upstreams:
                self._check_identity_headers(("routes", index), entry, upstreams[entry.upstream])
        self._check_duplicates(entries)
        routes = [
            _route(entry, upstreams[entry.upstream], self._login_url)
            for _, entry in entries
            if entry.upstream in upstreams
        ]
        self._check_login_page(entries, RouteTable(routes))
        return routes

    # --- schema ------------------------------------------------------------------------------------------------

    def _route_entries(self, section: object) -> list[tuple[int, RouteEntry]]:
        if not isinstance(section, list):
            self._report(("routes",), "must be written as [[routes]]")
            return []
        entries = ((index, self._entry(RouteEntry, ("routes", index), table)) for index, table in enumerate(section))
        return [(index, entry) for index, entry in entries if entry is not None]

    def _upstreams(self, section: object, need_identity: Iterable[str]) -> dict[str, Upstream]:
        if not isinstance(section, Mapping):
            self._report(("upstreams",), "must be written as [upstreams.NAME]")
            return {}
        entries = {name: self._entry(UpstreamEntry, ("upstreams", name), table) for name, table in section.items()}
        return {
            name: self._upstream_loader.load(name, entry, needs_identity=name in need_identity)
            for name, entry in entries.items()
            if entry is not None
        }

    def _entry(self, model: type[_Entry], path: ValuePath, value: object) -> _Entry | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for problem in error.errors(include_input=False, include_url=False):
                # pydantic appends "[key]" to the location of an invalid key of a table, such as a header's name.
                location = tuple(part for part in problem["loc"] if part != "[key]")
                reason = _REASONS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
                if problem["type"] == "extra_forbidden":
                    reason += _suggestion(str(location[-1]))
                self._report((*path, *location), reason)
        return None

    # --- rules across keys and entries ---------------------------------------------------------------------------

    def _check_upstream_names(self, routes: object, upstreams: object) -> None:
        """Check that the upstream of every route exists. Routes with other problems are included."""
        names = list(upstreams) if isinstance(upstreams, Mapping) else []
        for index, route in enumerate(routes if isinstance(routes, list) else []):
            name = route.get("upstream") if isinstance(route, Mapping) else None
            if isinstance(name, str) and name and name not in names:
                close = get_close_matches(name, names, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                self._report(("routes", index, "upstream"), f"there is no [upstreams.{name}]{hint}")

    def _check_duplicates(self, entries: Sequence[tuple[int, RouteEntry]]) -> None:
        first_index: dict[tuple[str, str], int] = {}
        for index, entry in entries:
            for method in sorted(_methods(entry)):
                first = first_index.setdefault((entry.prefix.rstrip("/"), method), index)
                if first != index:
                    path = ("routes", index, "prefix")
                    self._report(path, f"{method} {entry.prefix} is already defined by routes[{first}]")

    def _check_limits(self, path: ValuePath, entry: RouteEntry) -> None:
        seen = set()
        for index, limit in enumerate(entry.limits):
            if limit.per == IDENTITY and entry.access == PUBLIC:
                self._report((*path, index, "per"), "must be address on a public route: nobody is identified there")
            if (limit.per, limit.rate.seconds) in seen:
                reason = f"repeats a limit per {limit.per} for {limit.rate.seconds} s; give each window once"
                self._report((*path, index), reason)
            seen.add((limit.per, limit.rate.seconds))

    def _check_combinations(self, path: ValuePath, entry: RouteEntry) -> None:
        if entry.queue is not None and entry.max_concurrent is None:
            self._report((*path, "queue"), "needs max_concurrent: without it no request waits")
        if entry.max_wait is not None and not entry.queue:
            self._report((*path, "max_wait"), "needs queue: without it no request waits")
        if entry.strip_prefix and entry.replace_prefix is not None:
            self._report((*path, "replace_prefix"), "excludes strip_prefix; give one of them")
        if entry.websocket and entry.upstream == AUTH_UPSTREAM:
            self._report((*path, "websocket"), "must be false: the auth service serves no WebSocket")
        if entry.forward_cookies and entry.upstream == AUTH_UPSTREAM:
            self._report((*path, "forward_cookies"), "must be omitted: the auth service receives cookies in any case")
        if entry.csrf == "origin" and entry.access == PUBLIC:
            self._report((*path, "csrf"), "must be omitted on a public route: it has no session cookie to protect")
        if entry.login and entry.access == PUBLIC:
            self._report((*path, "login"), "must be omitted on a public route: nobody has to log in there")
        elif entry.login and "GET" not in entry.methods:
            self._report((*path, "login"), "needs GET in methods: only a browser that opens a page is redirected")

    def _check_identity_headers(self, path: ValuePath, entry: RouteEntry, upstream: Upstream) -> None:
        """Check that the route neither sets nor forwards the upstream's identity headers, in any spelling."""
        reason = f"is in identity_headers of upstreams.{upstream.name}, so only the gateway may send it"
        for name in entry.request_headers:
            if name.lower().encode() in upstream.identity_header_names:
                self._report((*path, "request_headers", name), reason)
        for position, name in enumerate(entry.forward_headers):
            if normalized_name(name.lower().encode()) in upstream.identity_header_names:
                self._report((*path, "forward_headers", position), f'{reason}; "_" and "." count as "-"')

    def _check_login_page(self, entries: Sequence[tuple[int, RouteEntry]], table: RouteTable) -> None:
        """Check that everybody may open the log-in page, if this gateway serves it and a route redirects to it."""
        index = next((index for index, entry in entries if entry.login), None)
        if index is None or not self._login_url.startswith("/"):
            return
        page = table.match(urlsplit(self._login_url).path.encode("ascii"))
        if page is None or not page.public:
            reason = "has no route" if page is None else f"is on {page.prefix}, which is not public"
            self._report(
                ("routes", index, "login"),
                f"redirects to LOGIN_URL={self._login_url}, which {reason};"
                ' add a route with access = "public" for it, or change LOGIN_URL',
            )


def _suggestion(key: str) -> str:
    close = get_close_matches(key.lower().replace("-", "_"), _KEYS, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _route(entry: RouteEntry, upstream: Upstream, login_url: str) -> Route:
    prefix = entry.prefix.rstrip("/")
    forwarded_prefix = {"X-Forwarded-Prefix": prefix} if entry.strip_prefix and prefix else {}
    return Route(
        prefix=entry.prefix,
        upstream=upstream,
        public=entry.access == PUBLIC,
        roles=frozenset(entry.access) if isinstance(entry.access, list) else frozenset(),
        methods=_methods(entry),
        max_body=entry.max_body,
        timeouts=Timeouts(entry.timeout.connect, entry.timeout.read, entry.timeout.total),
        stripped_prefix_length=len(prefix) if entry.strip_prefix or entry.replace_prefix else 0,
        replacement_prefix=(entry.replace_prefix or "").rstrip("/").encode("ascii"),
        request_overrides=header_overrides({**forwarded_prefix, **entry.request_headers}),
        forward_headers=frozenset(name.lower().encode("ascii") for name in entry.forward_headers),
        response_overrides=header_overrides(entry.response_headers),
        expose_headers=", ".join(entry.expose_headers).encode("ascii"),
        keep_cookies=entry.keep_cookies or entry.forward_cookies or upstream.takes_credentials,
        forward_cookies=entry.forward_cookies,
        accepts_forms=entry.csrf == "origin",
        limits=_rate_limits(entry),
        concurrency_limit=_concurrency_limit(entry),
        max_answer=entry.max_answer,
        websocket=entry.websocket,
        login_url=login_url if entry.login else "",
        streams=entry.streams,
    )


def _concurrency_limit(entry: RouteEntry) -> ConcurrencyLimit | None:
    if entry.max_concurrent is None:
        return None
    limit = ConcurrencyLimit(entry.max_concurrent, entry.queue or 0)
    return limit if entry.max_wait is None else replace(limit, max_wait=entry.max_wait)


def _rate_limits(entry: RouteEntry) -> tuple[RateLimit, ...]:
    # Every worker and gateway with this route computes the same id, so that they share counts. A changed limit has
    # another id.
    route = f"{entry.prefix} {sorted(_methods(entry))}"
    return tuple(
        RateLimit(
            hashlib.sha256(f"{route} {limit.per} {limit.rate}".encode()).hexdigest()[:16], limit.per, limit.rate
        )
        for limit in entry.limits
    )


def _methods(entry: RouteEntry) -> frozenset[str]:
    return entry.methods | {"HEAD"} if "GET" in entry.methods else entry.methods  # RFC 9110 9.3.2
