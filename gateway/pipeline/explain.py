"""Explain the routes in text: the whole table, and how one request would be decided.

The functions of the gateway check the target and the roles. Header fields, bodies and rate limits are not checked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contract.claims import AccessClaims
from contract.problems import PROBLEMS, Refused
from gateway.pipeline.authorize import authorize
from gateway.pipeline.request_target import check_target
from gateway.routing.header_overrides import HeaderOverrides
from gateway.routing.routes import METHODS, Address, ConcurrencyLimit, Route, RouteTable, Timeouts, Upstream

PASSES = "passes"


@dataclass(frozen=True, slots=True)
class HypotheticalRequest:
    """A request to explain, of a client with `roles`. `target` is the path with the query, as in a request line."""

    method: str
    target: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one request.

    `passes` is whether a client with its roles would pass; for a request without roles, whether it has a route.
    """

    lines: tuple[str, ...]
    passes: bool


def table_lines(table: RouteTable, file: str) -> list[str]:
    """Return a summary line and one line per route, sorted by prefix. `file` is the name of the routes file."""
    head = (
        f"{file} is valid: {len(table.routes)} routes to {len(table.upstreams())} upstreams, version {table.version}"
    )
    rows = [
        (route.prefix, _methods(route), _access(route), f"{route.upstream.name} ({_addresses(route.upstream)})")
        for route in sorted(table.routes, key=lambda route: (route.prefix, sorted(route.methods)))
    ]
    return [head, *(f"  {line}" for line in _columns(rows))]


def explain(table: RouteTable, request: HypotheticalRequest) -> Explanation:
    """Return how `request` would be decided."""
    path, _, query = request.target.encode("utf-8", "surrogateescape").partition(b"?")
    try:
        route = _route(table, request.method, path, query)
    except Refused as refused:
        return Explanation((f"{request.method} {request.target}", f"  any client  {_refusal(refused)}"), passes=False)
    decisions = [("anonymous", _decision(route, None)), ("authenticated", _decision(route, ()))]
    if request.roles:
        decisions.append((f"as {', '.join(request.roles)}", _decision(route, request.roles)))
    forwarded = route.forwarded_path(path) + (b"?" + query if query else b"")
    facts = [*decisions, *_facts(route), ("forwarded", f"{request.method} {forwarded.decode()}")]
    passes = not request.roles or decisions[-1][1] == PASSES
    return Explanation((f"{request.method} {request.target}", *(f"  {line}" for line in _columns(facts))), passes)


def _route(table: RouteTable, method: str, path: bytes, query: bytes) -> Route:
    check_target(path, query)
    by_method = table.routes_by_method(path)
    if by_method is None:
        raise Refused("not_found", "No route has this path.")
    route = by_method.get(method)
    if route is None:
        raise Refused("method_not_allowed", f"The methods of this path are {', '.join(sorted(by_method))}.")
    return route


def _decision(route: Route, roles: tuple[str, ...] | None) -> str:
    """Return the decision for a client with `roles`; None stands for a client without a token."""
    if route.public:
        return PASSES
    try:
        if roles is None:
            raise Refused("no_credentials")
        authorize(AccessClaims("", "", 0, "", "", roles, 0, 0), route)
    except Refused as refused:
        return _refusal(refused)
    return PASSES


def _refusal(refused: Refused) -> str:
    return f"{refused.status} {refused.code}: {refused.detail or PROBLEMS[refused.code].title}"


def _facts(route: Route) -> list[tuple[str, str]]:
    """Return the options of `route` under their names in routes.toml, with the upstream and the identity."""
    upstream = route.upstream
    facts = [
        ("route", f"{route.prefix} {_methods(route)}, {_access(route)}"),
        ("upstream", f"{upstream.name} ({_addresses(upstream)}), at most {upstream.max_connections} connections"),
        ("identity", _identity(route)),
        *([("identity_headers", _identity_headers(route))] if upstream.identity_headers else []),
        ("max_body", f"{route.max_body} bytes"),
        ("timeout", _timeouts(route.timeouts)),
    ]
    if route.login_url:
        facts.append(("login", f"redirect: browsers without a session go to {route.login_url}"))
    if route.limits:
        facts.append(("limits", ", ".join(f"{limit.rate} per {limit.per}" for limit in route.limits)))
    if route.concurrency_limit is not None:
        facts.append(("max_concurrent", _concurrency(route.concurrency_limit)))
    if route.max_answer is not None:
        facts.append(("max_answer", f"{route.max_answer} bytes"))
    if route.accepts_forms:
        facts.append(("csrf", "origin: forms need an allowed Origin, and no X-Requested-With"))
    if route.forward_cookies:
        facts.append(("forward_cookies", "true: all cookies but the session cookie"))
    if route.keep_cookies:
        facts.append(("keep_cookies", "true"))
    if route.forward_headers:
        facts.append(("forward_headers", _listed(route.forward_headers)))
    if route.expose_headers:
        facts.append(("expose_headers", route.expose_headers.decode("ascii")))
    if route.request_overrides is not None:
        facts.append(("request_headers", _names(route.request_overrides)))
    if route.response_overrides is not None:
        facts.append(("response_headers", _names(route.response_overrides)))
    return facts


def _concurrency(limit: ConcurrencyLimit) -> str:
    waiting = f", {limit.queue} more wait for at most {limit.max_wait:g} s" if limit.queue else ""
    return f"{limit.max_concurrent} per worker{waiting}"


def _identity(route: Route) -> str:
    if route.upstream.takes_credentials:
        return "none: Authorization and Cookie are forwarded"
    if route.public:
        return "none: the route is public"
    return f"assertion for {route.upstream.audience}" if route.upstream.signer else "none: identity is false"


def _identity_headers(route: Route) -> str:
    fields = route.upstream.identity_headers
    if route.public:
        return f"none: the route is public; {', '.join(name for name, _ in fields)} of clients are dropped"
    return ", ".join(f"{name} = {claim}" for name, claim in fields)


def _names(fields: HeaderOverrides) -> str:
    # Names only: a value may be an API key for the service.
    return ", ".join(line.split(":")[0] for line in fields.lines.decode("ascii").splitlines())


def _listed(names: Iterable[bytes]) -> str:
    return ", ".join(sorted(name.decode("ascii") for name in names))


def _timeouts(timeouts: Timeouts) -> str:
    connect, read, total = timeouts.connect, timeouts.read, timeouts.total
    return f"connect {_seconds(connect)}, read {_seconds(read)}, total {_seconds(total)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds else "none"


def _methods(route: Route) -> str:
    return "every method" if route.methods == METHODS else ", ".join(sorted(route.methods))


def _access(route: Route) -> str:
    if route.public:
        return "public"
    return f"roles {', '.join(sorted(route.roles))}" if route.roles else "authenticated"


def _addresses(upstream: Upstream) -> str:
    return ", ".join(map(_address, upstream.addresses))


def _address(address: Address) -> str:
    if address.path:
        return f"unix:{address.path}"
    return f"http://{address.authority}" if address.port else address.authority


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
