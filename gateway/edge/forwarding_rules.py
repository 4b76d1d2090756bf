"""The rules of HAProxy for requests that the edge forwards, and for their responses.

They select, add and remove header fields as the gateway does (docs/headers.md).
"""

import json
import re

from contract.identity import IDENTITY_HEADER, ISSUER, MAX_AGE, REFUSED_HEADER, UNSIGNED_HEADERS, VERSION
from contract.identity import header_of as assertion_header
from contract.problems import PROBLEM_JSON, PROBLEMS, ProblemCode
from gateway.edge.decided_routes import EdgeRoute
from gateway.edge.decision_rules import FIELDS, NAME_SEPARATOR, SEPARATOR, quoted
from gateway.edge.header_patterns import among_names, withheld_from_clients, withheld_from_services
from gateway.edge.identity_secrets import variable_name
from gateway.edge.listener import Listener
from gateway.pipeline.cors import EXPOSED
from gateway.routing.header_overrides import HeaderOverrides
from gateway.routing.routes import HOST_CLIENT, HOST_UPSTREAM, Upstream
from gateway.settings import GatewaySettings

ASSERTION_SECONDS = 15
"""Time for which an assertion is used again on its connection, as in the gateway. It is valid for a minute."""

REQUEST_ID = "%[var(txn.id)]"

_QUOTED_NODE = r"""http-request set-var-fmt(txn.node) "\"[%[var(txn.client)]]\"" if { var(txn.client) -m sub : }"""

_SUBJECT, _EMAIL, _ROLES, _SESSION = UNSIGNED_HEADERS


def problem(code: ProblemCode, detail: str = "") -> str:
    """Return the arguments of HAProxy's `return` and `http-error` for a problem details response."""
    title = PROBLEMS[code].title
    members = {
        "type": f"urn:sallyport:problem:{code}",
        "title": title,
        "status": PROBLEMS[code].status,
        "detail": detail or title,
        "code": code,
        "request_id": REQUEST_ID,
    }
    return f"content-type {PROBLEM_JSON} lf-string {quoted(json.dumps(members))}\\n hdr Cache-Control no-store"


def request_rules(settings: GatewaySettings, listener: Listener, *, forwards_traces: bool) -> list[str]:
    """Return the rules that prepare the header fields of every request that the edge decides."""
    withheld = withheld_from_services()
    traceparent = "{ req.fhdr(traceparent) -m reg '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' }"
    return [
        "# From here on the edge forwards the request. No field that a service could trust comes from the client.",
        "http-request del-header authorization",
        f"http-request del-header {quoted(withheld)} -m reg"
        f" if {{ var(txn.names) -m reg {quoted(among_names(withheld))} }}",
        *(
            [f"http-request del-header traceparent if {{ req.fhdr(traceparent) -m found }} !{traceparent}"]
            if forwards_traces
            else []
        ),
        *(f"http-request del-header {name}" for name in ("traceparent", "tracestate") if not forwards_traces),
        f"http-request set-header X-Request-Id {REQUEST_ID}",
        "http-request set-header X-Forwarded-For %[var(txn.client)]",
        f"http-request set-header X-Forwarded-Proto {listener.scheme}",
        "http-request set-header X-Forwarded-Host %[var(txn.host)]",
        "http-request set-var(txn.node) var(txn.client)",
        *([] if listener.is_ipv4 else [_QUOTED_NODE]),
        f"http-request set-header Forwarded for=%[var(txn.node)];proto={listener.scheme};"
        r"host=\"%[var(txn.host)]\"",
        f"http-request set-header Via '1.1 {settings.gateway_name}'",
    ]


def route_rules(edge: EdgeRoute) -> list[str]:
    """Return the rules for requests on a route."""
    upstream = edge.route.upstream
    return [
        "http-request disable-l7-retry if !{ method GET HEAD PUT DELETE } || { req.hdr(content-length) -m found }",
        *(_identity(upstream) if upstream.signer is not None else []),
        *_host(upstream),
        *_overrides("http-request", edge.route.request_overrides),
    ]


def _identity(upstream: Upstream) -> list[str]:
    # The claims are plain text (decision_rules.py), so they need no escapes in JSON and in header fields.
    payload = (
        f'{{"ver":{VERSION},"iss":"{ISSUER}","aud":"{upstream.audience}","iat":%[var(txn.now)],'
        f'"exp":%[var(txn.now),add({MAX_AGE})],"sub":"%[var(txn.sub)]","sid":"%[var(txn.sid)]",'
        '"email":"%[var(txn.email)]","roles":"%[var(txn.roles)]"}'
    )
    signature = f'%[var(txn.signed),hmac(sha256,\\"${{{variable_name(upstream)}}}\\"),ub64enc]'
    cached, found = f"sess.assertion_{variable_name(upstream)}", "{ var(txn.assertion) -m found }"
    claims = f"var(txn.cached),field(1,{SEPARATOR},{len(FIELDS) + 1})"
    return [
        f"# An assertion for the same claims and {ASSERTION_SECONDS} seconds is signed once for each connection.",
        f"http-request set-var(txn.period) var(txn.now),div({ASSERTION_SECONDS})",
        f"http-request set-var(txn.source) var(txn.claims),concat({SEPARATOR},txn.period)",
        f"http-request set-var(txn.cached) var({cached})",
        f"http-request set-var(txn.assertion) var(txn.cached),field({len(FIELDS) + 2},{SEPARATOR})"
        f" if {{ {claims},strcmp(txn.source) eq 0 }}",
        f"http-request set-var-fmt(txn.payload) {quoted(payload)} if !{found}",
        f'http-request set-var-fmt(txn.signed) "{assertion_header("HS256")}.%[var(txn.payload),ub64enc]" if !{found}',
        f'http-request set-var-fmt(txn.assertion) "%[var(txn.signed)].{signature}" if !{found}',
        f"http-request set-var({cached}) var(txn.source),concat({SEPARATOR},txn.assertion)"
        " if { var(txn.signed) -m found }",
        f"http-request set-header {IDENTITY_HEADER} %[var(txn.assertion)]",
        *(
            f"http-request set-header {name} %[var(txn.{claim})]"
            for name, claim in ((_SUBJECT, "sub"), (_EMAIL, "email"), (_ROLES, "roles"), (_SESSION, "sid"))
        ),
    ]


def _host(upstream: Upstream) -> list[str]:
    if upstream.host == HOST_CLIENT:
        return []
    host = upstream.addresses[0].authority if upstream.host == HOST_UPSTREAM else upstream.host
    return [f"http-request set-header Host {host}"]


def _overrides(kind: str, overrides: HeaderOverrides | None) -> list[str]:
    fields = overrides.fields if overrides is not None else ()
    return [f"{kind} set-header {name.decode()} {_literal(value.decode())}" for name, value in fields]


def response_rules(edge: EdgeRoute, settings: GatewaySettings) -> list[str]:
    """Return the rules for the responses of a route's service."""
    route, withheld = edge.route, withheld_from_clients()
    return [
        *_refused_responses(route.upstream),
        f"http-response set-var(txn.response_names) res.hdr_names({NAME_SEPARATOR})",
        *_redirects(route.upstream),
        f"http-response del-header {quoted(withheld)} -m reg"
        f" if {{ var(txn.response_names) -m reg {quoted(among_names(withheld))} }}",
        *_overrides("http-response", route.response_overrides),
        *(_cors(settings, route.expose_headers) if settings.origins.exact else []),
        'http-response set-header Date "%[date,http_date]" unless { res.fhdr(date) -m found }',
    ]


def _refused_responses(upstream: Upstream) -> list[str]:
    stream = problem("upstream_failed", 'The service sent an event stream on a route without "streams = true".')
    rejected = problem("identity_rejected")
    return [
        f"http-response return status 502 {rejected} if {{ status 401 }} {{ res.hdr({REFUSED_HEADER}) -m found }}"
        if upstream.receives_identity
        else "",
        # It would last longer than its token and its session.
        f"http-response return status 502 {stream} if {{ res.hdr(content-type) -i -m beg text/event-stream }}"
        " !{ res.hdr(content-length) -m found }",
    ]


def _redirects(upstream: Upstream) -> list[str]:
    """Rewrite URLs that point to the service to paths, unless browsers would read the path as another host."""
    authorities = "|".join(re.escape(one) for one in sorted(_written_authorities(upstream)))
    if not authorities:
        return []
    # The second slash of the path must not be one of `//` or `/\\`. Without a path, a query or a fragment may follow.
    url = quoted(rf"(?i)^(?:https?:)?//(?:{authorities})(?:/(?![/\\])|(?=[?#]|$))(.*)$")
    return [
        f"http-response replace-header {name} {url} '/\\1' if {{ var(txn.response_names) -m sub location }}"
        for name in ("Location", "Content-Location")
    ]


def _written_authorities(upstream: Upstream) -> set[str]:
    """Return the authorities of the service as a URL may contain them: a default port may be omitted."""
    found = set(upstream.own_authorities)
    return found | {one.rpartition(":")[0] for one in found if one.rpartition(":")[2] in ("80", "443")}


def _cors(settings: GatewaySettings, expose_headers: bytes) -> list[str]:
    exposed = (EXPOSED + b", " + expose_headers if expose_headers else EXPOSED).decode("ascii")
    condition = "if { var(txn.allowed_origin) -m found }"
    return [
        f"http-response set-header Access-Control-Allow-Origin %[var(txn.allowed_origin)] {condition}",
        f"http-response set-header Access-Control-Allow-Credentials true {condition}",
        f"http-response set-header Access-Control-Expose-Headers {quoted(exposed)} {condition}",
    ]


def final_rules(settings: GatewaySettings, listener: Listener) -> list[str]:
    """Return the rules for every response, those of the gateway and of HAProxy itself included."""
    hsts = f"max-age={settings.hsts_max_age}{'; includeSubDomains' if settings.hsts_include_subdomains else ''}"
    from_gateway = "{ var(txn.backend) -m found }"
    return [
        f"http-after-response set-header X-Request-Id {REQUEST_ID} unless {{ res.hdr(x-request-id) -m found }}",
        "http-after-response set-header X-Content-Type-Options nosniff",
        f"http-after-response set-header Via '1.1 {settings.gateway_name}'",
        *([f"http-after-response add-header Vary Origin if {from_gateway}"] if settings.origins else []),
        *(
            [f"http-after-response set-header Strict-Transport-Security {quoted(hsts)}"]
            if settings.hsts_max_age and listener.scheme == "https"
            else []
        ),
    ]


def _literal(value: str) -> str:
    """Return `value` as a log-format string without variables."""
    return quoted(value.replace("%", "%%"))
