"""HAProxy's configuration: the listener, the rules, and a backend for each route and for the gateway."""

from collections.abc import Iterable, Sequence

from contract.problems import ProblemCode
from gateway.edge.decided_routes import GATEWAY, DecidedRoutes, EdgeRoute
from gateway.edge.decision_rules import ACCEPTED_TABLE, VERIFIED_TABLE, decision_rules
from gateway.edge.folder import EdgeFolder
from gateway.edge.forwarding_rules import final_rules, problem, request_rules, response_rules, route_rules
from gateway.edge.listener import Listener, haproxy_address
from gateway.routing.routes import Address, Route
from gateway.settings import GatewaySettings

_LARGEST_STATUS_OF_ACCEPTED = 399
_GATEWAY_SECONDS = 86_400
"""Longest silence of the gateway. It has time limits of its own for every route."""

# Without 400 and 408: HAProxy 2.6 answers what it cannot parse with a page of its own.
_ERRORS: Sequence[tuple[int, ProblemCode]] = (
    (500, "internal_error"),
    (502, "upstream_failed"),
    (503, "upstream_unavailable"),
    (504, "upstream_timeout"),
)

_LOG_FORMAT = (
    '{"time": "%[date,utime(%Y-%m-%dT%H:%M:%SZ)]", "level": "info", "event": "request", "service": "edge", '
    '"request_id": "%[var(txn.id)]", "method": "%HM", "path": "%[var(txn.path)]", "status": %ST, "ms": %Ta, '
    '"client": "%[var(txn.client)]", "route": "%b", "subject": "%[var(txn.sub)]", "sid": "%[var(txn.sid)]"}'
)


def configuration_lines(
    decided: DecidedRoutes, settings: GatewaySettings, listener: Listener, folder: EdgeFolder
) -> list[str]:
    """Return the configuration. It holds no secret."""
    sections = (
        _global(settings, listener, folder),
        _defaults(decided, settings),
        _frontend(decided, settings, listener, folder),
        _gateway(settings, listener),
        *(_route(edge, settings) for edge in decided.at_edge),
        *(_table(name, settings) for name in (ACCEPTED_TABLE, VERIFIED_TABLE)),
        *([_RESOLVERS] if any(_names(edge.route) for edge in decided.at_edge) else []),
    )
    head = [
        "# Written by `python -m gateway edge haproxy` (docs/edge.md). After a change of settings or routes, run it",
        "# again and reload HAProxy.",
    ]
    return [*head, *(line for section in sections for line in ("", *section))]


def _global(settings: GatewaySettings, listener: Listener, folder: EdgeFolder) -> list[str]:
    limits = settings.request_limits
    return _section(
        "global",
        *(["log stdout format raw local0 info"] if settings.access_log else []),
        f"stats socket {folder.socket} mode 600 level admin",
        *([f"nbthread {listener.threads}"] if listener.threads else []),
        "# Room for the heads that the gateway reads to refuse them, and for what the edge adds.",
        f"tune.bufsize {limits.max_bytes_outside_bodies + 8_192}",
        "tune.maxrewrite 8192",
        f"tune.http.maxhdr {min(limits.header_fields * 2 + 50, 32_767)}",
        "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets",
    )


def _defaults(decided: DecidedRoutes, settings: GatewaySettings) -> list[str]:
    return _section(
        "defaults",
        "mode http",
        *(["log global", "option dontlognull"] if settings.access_log else []),
        "timeout http-request 10s",
        "timeout http-keep-alive 75s",
        f"timeout client {_longest_silence(decided)}s",
        "timeout connect 5s",
        "timeout queue 1s",
        f"timeout server {_GATEWAY_SECONDS}s",
        f"timeout tunnel {_GATEWAY_SECONDS}s",
        "retries 1",
        "option redispatch",
        "http-reuse always",
        "# A stopping process lets an idle connection serve one more request: its client may just be sending it.",
        "option idle-close-on-response",
        *(
            f"http-error status {status} {problem(code)}{' hdr Retry-After 1' if status == 503 else ''}"
            for status, code in _ERRORS
        ),
    )


def _longest_silence(decided: DecidedRoutes) -> int:
    """Return the seconds for which a client may be silent while a response is awaited."""
    routes = [*(edge.route for edge in decided.at_edge), *(route for route, _ in decided.at_gateway)]
    longest = max((route.timeouts.read or _GATEWAY_SECONDS for route in routes), default=0.0)
    return int(max(longest, 75)) + 5


def _frontend(decided: DecidedRoutes, settings: GatewaySettings, listener: Listener, folder: EdgeFolder) -> list[str]:
    tls = f" ssl crt {listener.certificate} alpn h2,http/1.1" if listener.certificate is not None else ""
    return _section(
        "frontend sallyport",
        *(f"bind {haproxy_address(address)}{tls}" for address in listener.binds),
        *([f"log-format '{_LOG_FORMAT}'"] if settings.access_log else []),
        "http-request set-var(txn.id) uuid()",
        "http-request set-var(txn.now) date()",
        "http-request set-var(txn.path) path",
        *_client(listener),
        *decision_rules(decided, settings, listener, folder),
        *request_rules(settings, listener, forwards_traces=not settings.otel_exporter_otlp_endpoint),
        *final_rules(settings, listener),
        "use_backend %[var(txn.backend)] if { var(txn.backend) -m found }",
        f"default_backend {GATEWAY}",
    )


def _client(listener: Listener) -> list[str]:
    """Return the rules that set `txn.client`, the address of the client."""
    if listener.is_ipv4:
        return ["http-request set-var(txn.client) src"]
    return [
        "http-request set-var(txn.client) str(unknown)",
        "http-request set-var-fmt(txn.client) %[src] if { src -m found }",
        "http-request set-var(txn.client) var(txn.client),regsub(^::ffff:,) if { var(txn.client) -m beg ::ffff: }",
    ]


def _gateway(settings: GatewaySettings, listener: Listener) -> list[str]:
    return _section(
        f"backend {GATEWAY}",
        "# The gateway logs these requests. It must have this proxy in TRUSTED_PROXIES.",
        "http-request set-log-level silent",
        "http-request del-header Forwarded",
        "http-request set-header X-Forwarded-For %[var(txn.client)]",
        f"http-request set-header X-Forwarded-Proto {listener.scheme}",
        "# txn.digest is known only if the request is for a route of the edge, with one bearer token and no other",
        "# credentials. Its success means that the gateway has accepted the token.",
        f"http-response track-sc0 var(txn.digest) table {ACCEPTED_TABLE}"
        f" if {{ var(txn.digest) -m found }} {{ status 200:{_LARGEST_STATUS_OF_ACCEPTED} }}",
        "balance leastconn",
        *(f"server gateway-{n} {haproxy_address(address)}" for n, address in enumerate(listener.gateways)),
    )


def _route(edge: EdgeRoute, settings: GatewaySettings) -> list[str]:
    route = edge.route
    health = route.upstream.health
    check = ""
    if health is not None:
        check = f" check inter {_ms(health.interval)} rise {health.healthy_after} fall {health.unhealthy_after}"
    return _section(
        f"backend {edge.name}",
        f"# {route.prefix} {', '.join(sorted(route.methods))}",
        f"timeout connect {_ms(route.timeouts.connect)}",
        f"timeout server {_ms(route.timeouts.read or _GATEWAY_SECONDS)}",
        "retry-on conn-failure empty-response",
        "balance leastconn",
        *([f"option httpchk GET {health.path}", f"timeout check {_ms(health.timeout)}"] if health else []),
        *route_rules(edge),
        *response_rules(edge, settings),
        *(
            [f"http-response set-log-level silent if {{ status lt 400 }} {{ rand({settings.access_log}) gt 0 }}"]
            if settings.access_log > 1
            else []
        ),
        *(
            f"server address-{number} {_server(address)} maxconn {route.upstream.max_connections}{check}"
            for number, address in enumerate(route.upstream.addresses)
        ),
    )


def _table(name: str, settings: GatewaySettings) -> list[str]:
    return _section(
        f"backend {name}",
        "# Not a backend: a table of tokens.",
        f"stick-table type binary len 32 size {settings.verified_tokens} expire 1h",
    )


_RESOLVERS = ["resolvers system", "    parse-resolv-conf", "    hold valid 10s"]


def _names(route: Route) -> bool:
    return any(address.is_name for address in route.upstream.addresses)


def _server(address: Address) -> str:
    if address.path:
        return f"unix@{address.path}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    resolving = " resolvers system init-addr last,libc,none" if address.is_name else ""
    return f"{host}:{address.port}{resolving}"


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _section(head: str, *lines: str) -> list[str]:
    return [head, *(f"    {line}" for line in _non_empty(lines))]


def _non_empty(lines: Iterable[str]) -> Iterable[str]:
    return filter(None, lines)
