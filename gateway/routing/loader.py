"""Reads routes.toml. A file is taken whole or not at all: every complaint names its line and the place in it."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.routing.environment_variables import filled
from gateway.routing.errors import Complain, Complaints, RoutesError
from gateway.routing.header_overrides import fixed_fields
from gateway.routing.routes import (
    AUTH_UPSTREAM,
    IDENTITY,
    PUBLIC,
    Bound,
    Limit,
    Route,
    RouteTable,
    Timeouts,
    Upstream,
)
from gateway.routing.schema import HealthForm, LimitForm, RouteForm, TimeoutForm, UpstreamForm
from gateway.routing.toml_lines import Place, lines_of
from gateway.routing.upstream_loader import UpstreamsSection

FILE_NAME = "routes.toml"


def load_routes(file: Path, *, environ: Mapping[str, str], data_dir: Path, form_only: bool = False) -> RouteTable:
    """The table in `file`, with ${NAMES} from `environ` and secrets' files relative to `data_dir`.

    For the form only neither need be there, and the table is good for reading alone. Raises RoutesError.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RoutesError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RoutesError(f"{file}:{line}: is no TOML: it is not UTF-8") from error
    return parse_routes(text, name=str(file), environ=environ, data_dir=data_dir, form_only=form_only)


def parse_routes(
    text: str, *, name: str = FILE_NAME, environ: Mapping[str, str], data_dir: Path, form_only: bool = False
) -> RouteTable:
    """As load_routes, for the text of a file which complaints call `name`. Raises RoutesError."""
    document = _parse(text, name)
    complaints = Complaints(name, lines_of(text))
    # For the form only, what is missing in the environment is no complaint.
    document = filled(document, environ, _ignore if form_only else complaints.add)
    section = UpstreamsSection(complaints.add, environ, data_dir, form_only=form_only)
    routes = _Reading(complaints.add, section).routes(document)
    complaints.check()
    return RouteTable(routes, version_of(text))


def _ignore(place: Place, reason: str) -> None:
    """Complains of nothing."""


def version_of(text: str) -> str:
    """The first twelve digits of what `sha256sum` says of the file."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


_TOML_LINE = re.compile(r" \(at line (\d+), (column \d+)\)")


def _parse(text: str, name: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        where = _TOML_LINE.search(reason)
        line = int(where[1]) if where else text.count("\n") + 1
        column = f" ({where[2]})" if where else ""
        raise RoutesError(f"{name}:{line}: is no TOML: {_TOML_LINE.sub('', reason)}{column}") from error
    except RecursionError as error:
        raise RoutesError(f"{name}:1: is nested too deeply") from error


_Form = TypeVar("_Form", bound=BaseModel)

_REASONS = {"missing": "is required", "extra_forbidden": "is not known here", "too_short": "must not be empty"}


_KEYS = sorted(
    {key for form in (RouteForm, UpstreamForm, HealthForm, LimitForm, TimeoutForm) for key in form.model_fields}
)


def _suggestion(key: str) -> str:
    close = get_close_matches(key.lower().replace("-", "_"), _KEYS, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


class _Reading:
    """One reading of a file. What is wrong is complained of, and the rest is read on for what else may be."""

    def __init__(self, complain: Complain, upstreams: UpstreamsSection) -> None:
        self._complain = complain
        self._section = upstreams

    def routes(self, document: Mapping[str, Any]) -> list[Route]:
        """The routes that `document` describes; worth nothing where there are complaints."""
        for key in document.keys() - {"upstreams", "routes"}:
            self._complain((key,), "is not known here; the file has [upstreams.NAME] and [[routes]]")
        routes = self._routes(document.get("routes", []))
        asserted = {route.upstream for _, route in routes if route.access != PUBLIC}
        upstreams = self._upstreams(document.get("upstreams", {}), asserted)
        self._check_upstream_names(document.get("routes"), document.get("upstreams"))
        return self._joined(routes, upstreams)

    # --- the file's form ---------------------------------------------------------------------------------------

    def _routes(self, written: object) -> list[tuple[int, RouteForm]]:
        if not isinstance(written, list):
            self._complain(("routes",), "is written as [[routes]]")
            return []
        forms = ((number, self._form(RouteForm, ("routes", number), one)) for number, one in enumerate(written))
        return [(number, form) for number, form in forms if form is not None]

    def _upstreams(self, written: object, asserted: Iterable[str]) -> dict[str, Upstream]:
        if not isinstance(written, Mapping):
            self._complain(("upstreams",), "is written as [upstreams.NAME]")
            return {}
        forms = {name: self._form(UpstreamForm, ("upstreams", name), one) for name, one in written.items()}
        return {
            name: self._section.upstream(name, form, asserted=name in asserted)
            for name, form in forms.items()
            if form is not None
        }

    def _form(self, form: type[_Form], place: Place, written: object) -> _Form | None:
        try:
            return form.model_validate(written)
        except ValidationError as error:
            for problem in error.errors(include_input=False, include_url=False):
                said = problem["msg"].removeprefix("Value error, ")
                location = tuple(part for part in problem["loc"] if part != "[key]")
                reason = _REASONS.get(problem["type"], said)
                if problem["type"] == "extra_forbidden":
                    reason += _suggestion(str(location[-1]))
                self._complain((*place, *location), reason)
        return None

    # --- from the file's form to ours ----------------------------------------------------------------------------

    def _joined(self, routes: Sequence[tuple[int, RouteForm]], upstreams: Mapping[str, Upstream]) -> list[Route]:
        joined: list[Route] = []
        seen: dict[tuple[str, str], int] = {}
        for number, route in routes:
            place = ("routes", number)
            for method in sorted(_methods(route)):
                twin = seen.setdefault((route.prefix.rstrip("/"), method), number)
                if twin != number:
                    self._complain((*place, "prefix"), f"{method} {route.prefix} stands twice, in routes[{twin}] too")
            self._check_limits((*place, "limits"), route)
            self._check_queue(place, route)
            if route.websocket and route.upstream == AUTH_UPSTREAM:
                self._complain((*place, "websocket"), "the auth service has none")
            if route.upstream in upstreams:
                joined.append(_route(route, upstreams[route.upstream]))
        return joined

    def _check_upstream_names(self, routes: object, upstreams: object) -> None:
        """Of every route, also of one that is wrong otherwise."""
        names = list(upstreams) if isinstance(upstreams, Mapping) else []
        for number, route in enumerate(routes if isinstance(routes, list) else []):
            name = route.get("upstream") if isinstance(route, Mapping) else None
            if isinstance(name, str) and name and name not in names:
                close = get_close_matches(name, names, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                self._complain(("routes", number, "upstream"), f"there is no [upstreams.{name}]{hint}")

    def _check_limits(self, place: Place, route: RouteForm) -> None:
        seen = set()
        for number, limit in enumerate(route.limits):
            if limit.per == IDENTITY and route.access == PUBLIC:
                self._complain((*place, number, "per"), "a public route knows no identity")
            if (limit.per, limit.rate.seconds) in seen:
                self._complain((*place, number), f"there is a limit for {limit.rate.seconds} s already")
            seen.add((limit.per, limit.rate.seconds))

    def _check_queue(self, place: Place, route: RouteForm) -> None:
        if route.queue is not None and route.max_concurrent is None:
            self._complain((*place, "queue"), "needs max_concurrent: without it no request waits")
        if route.max_wait is not None and not route.queue:
            self._complain((*place, "max_wait"), "needs queue: without it no request waits")


def _route(written: RouteForm, upstream: Upstream) -> Route:
    prefix = written.prefix.rstrip("/")
    told = {"X-Forwarded-Prefix": prefix} if written.strip_prefix and prefix else {}
    return Route(
        prefix=written.prefix,
        upstream=upstream,
        public=written.access == PUBLIC,
        roles=frozenset(written.access) if isinstance(written.access, list) else frozenset(),
        methods=_methods(written),
        max_body=written.max_body,
        timeouts=Timeouts(written.timeout.connect, written.timeout.read, written.timeout.total),
        strip=len(prefix) if written.strip_prefix else 0,
        request_fields=fixed_fields({**told, **written.request_headers}),
        forward_headers=frozenset(name.lower().encode("ascii") for name in written.forward_headers),
        answer_fields=fixed_fields(written.response_headers),
        expose_headers=", ".join(written.expose_headers).encode("ascii"),
        keep_cookies=written.keep_cookies or upstream.takes_credentials,
        limits=_limits(written),
        bound=_bound(written),
        max_answer=written.max_answer,
        websocket=written.websocket,
        streams=written.streams,
    )


def _bound(written: RouteForm) -> Bound | None:
    if written.max_concurrent is None:
        return None
    bound = Bound(written.max_concurrent, written.queue or 0)
    return bound if written.max_wait is None else replace(bound, max_wait=written.max_wait)


def _limits(written: RouteForm) -> tuple[Limit, ...]:
    # The same id in every worker and gateway that has this route, and another one once the limit is another.
    route = f"{written.prefix} {sorted(_methods(written))}"
    return tuple(
        Limit(hashlib.sha256(f"{route} {limit.per} {limit.rate}".encode()).hexdigest()[:16], limit.per, limit.rate)
        for limit in written.limits
    )


def _methods(written: RouteForm) -> frozenset[str]:
    return written.methods | {"HEAD"} if "GET" in written.methods else written.methods  # RFC 9110 9.3.2
