"""The rules of HAProxy that decide which requests the edge decides itself.

Each rule leaves some requests to the gateway (`http-request allow` ends the rules, and the default backend is the
gateway's). What passes all of them has a valid token that the gateway has accepted before, on a route of the edge.
"""

from contract.claims import ACCESS, LONGEST_ACCESS_LIFETIME
from gateway.edge.decided_routes import GATEWAY, DecidedRoutes
from gateway.edge.folder import EdgeFolder
from gateway.edge.listener import Listener
from gateway.edge.synchronizer import PLAIN_VALUE
from gateway.edge.verification_key_files import SUFFIXES
from gateway.pipeline.request_target import PLAIN_PATH
from gateway.settings import GatewaySettings

ACCEPTED_TABLE, VERIFIED_TABLE = "accepted-tokens", "verified-tokens"
"""Stick tables with the SHA-256 of each token and its key's name: those that the gateway has accepted, and those of
them that HAProxy has verified."""

NAME_SEPARATOR = ":"
"""Stands between the names in `txn.names`; no name contains it."""

# Their meaning depends on the gateway, or HAProxy removes them itself while it forwards a request.
FIELDS_FOR_GATEWAY = (
    "access-control-request-method",
    "connection",
    "cookie",
    "expect",
    "max-forwards",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-refresh-token",
    "x-sallyport-fault",
)

# Printable ASCII without the characters that JSON or header fields escape: `"`, `%` and `\`.
_PLAIN_TEXT = r"[!#$&-[\]-~]+"

_PATTERNS = {
    "sub": PLAIN_VALUE.pattern,
    "sid": PLAIN_VALUE.pattern,
    "email": _PLAIN_TEXT,
    "roles": rf"{_PLAIN_TEXT}(?: {_PLAIN_TEXT})*",
}
"""The claims that a service receives."""

_NO_LITERAL = r"(?!(?:-?[0-9.]+|true|false|null)\z)"
"""Excludes what json_query also returns for a number or a literal in place of a text."""


def decision_rules(
    decided: DecidedRoutes, settings: GatewaySettings, listener: Listener, folder: EdgeFolder
) -> list[str]:
    """Return the rules. After the last one, `txn.backend` is the backend of the route."""
    return [
        *_liveness(folder),
        *_target(decided, settings, folder),
        *_fields(settings, listener),
        *_token(folder),
        *_claims(settings, folder),
        *_access(decided),
        "http-request set-var(txn.backend) var(txn.route)",
    ]


def _liveness(folder: EdgeFolder) -> list[str]:
    return [
        "# `gateway edge sync` moves valid_until on while it knows every revocation.",
        "http-request allow if { stopping }",
        f"http-request set-var(txn.left) str(valid_until),map_str_int({folder.state_map},0),sub(txn.now)",
        "http-request allow unless { var(txn.left) -m int gt 0 }",
    ]


def _target(decided: DecidedRoutes, settings: GatewaySettings, folder: EdgeFolder) -> list[str]:
    backends = [edge.name for edge in decided.at_edge]
    by_size: dict[int, list[str]] = {}
    for edge in decided.at_edge:
        by_size.setdefault(edge.route.max_body, []).append(edge.name)
    return [
        "# Targets that all servers read in the same way, in origin-form, and without a ticket.",
        "http-request allow unless { req.ver 1.1 2.0 }",
        "http-request allow unless { url -m beg / } || { req.ver 2.0 }",
        f"http-request allow unless {{ path -m reg {quoted(f'^{PLAIN_PATH.pattern.decode()}$')} }}",
        f"http-request allow if {{ pathq -m len gt {settings.max_target_bytes} }}",
        r"http-request allow if { query -m reg '[^!-~]|#|ticket=' }",
        "# The route with the longest prefix of whole segments.",
        'http-request set-var-fmt(txn.target) "%[method]%[path]/"',
        f"http-request set-var(txn.route) var(txn.target),map_beg({folder.routes_map},{GATEWAY})",
        f"http-request allow unless {{ var(txn.route) -m str {' '.join(backends)} }}"
        if backends
        else "http-request allow if { always_true }",
        *(
            f"http-request allow if {{ req.hdr_val(content-length) gt {size} }}"
            f" {{ var(txn.route) -m str {' '.join(names)} }}"
            for size, names in by_size.items()
        ),
        *(
            f"http-request allow if {{ var(txn.route) -m str {edge.name} }} {{ nbsrv({edge.name}) eq 0 }}"
            for edge in decided.at_edge
            if edge.route.upstream.health is not None
        ),
    ]


def _fields(settings: GatewaySettings, listener: Listener) -> list[str]:
    origins = sorted(map(str, settings.origins.exact))
    is_allowed = f"{{ var(txn.origin) -m str {' '.join(origins)} }}" if origins else "{ always_false }"
    return [
        "# Header fields that change what the gateway does.",
        f"http-request set-var(txn.names) req.hdr_names({NAME_SEPARATOR})",
        f"http-request allow if {{ var(txn.names) -m reg '(?:^|:)(?:{'|'.join(FIELDS_FOR_GATEWAY)})(?::|$)' }}",
        "http-request allow if { req.hdr(accept) -i -m sub text/event-stream }",
        f"http-request allow if {{ req.fhdr_cnt gt {settings.max_header_fields} }}",
        f"http-request allow if {{ req.hdrs -m len gt {settings.max_header_bytes} }}",
        "http-request allow unless { req.fhdr_cnt(host) eq 1 }"
        r" { req.fhdr(host) -m reg '^(?:[A-Za-z0-9._~-]{1,200}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$' }",
        "# In HTTP/2 a body needs no length. Then it has no limit here, whatever the method.",
        "http-request wait-for-body time 5s at-least 1 if { req.ver 2.0 } !{ req.hdr(content-length) -m found }",
        "http-request allow if { req.ver 2.0 } !{ req.hdr(content-length) -m found } { req.body_len gt 0 }",
        "# Origins: none, the gateway's own, or one of ALLOWED_ORIGINS.",
        "http-request set-var(txn.origin) req.fhdr(origin)",
        "http-request allow if { var(txn.origin) -m found } { req.fhdr_cnt(origin) gt 1 }",
        f"http-request set-var(txn.allowed_origin) var(txn.origin) if {{ var(txn.origin) -m found }} {is_allowed}",
        f'http-request set-var-fmt(txn.own_origin) "{listener.scheme}://%[req.fhdr(host)]"'
        " if { var(txn.origin) -m found }",
        "http-request allow if { var(txn.origin) -m found } !{ var(txn.allowed_origin) -m found }"
        " !{ var(txn.origin),strcmp(txn.own_origin) eq 0 }",
    ]


def _token(folder: EdgeFolder) -> list[str]:
    return [
        "# One bearer token, whose header is, byte for byte, that of a key in use.",
        "http-request allow unless { req.hdr_cnt(authorization) eq 1 }",
        "http-request set-var(txn.token) http_auth_bearer",
        f"http-request set-var(txn.key) var(txn.token),field(1,.),map_str({folder.keys_map})",
        "http-request allow unless { var(txn.key) -m found }",
        "# What HAProxy has verified with this key before needs no second verification.",
        "http-request set-var(txn.digest) var(txn.token),concat(,txn.key),sha2(256)",
        f"http-request set-var(txn.verified) int(1) if {{ var(txn.digest),in_table({VERIFIED_TABLE}) }}",
        "# The gateway has accepted it before: it has checked its form and reported its use.",
        "http-request allow unless { var(txn.verified) -m found }"
        f" || {{ var(txn.digest),in_table({ACCEPTED_TABLE}) }}",
        "# The algorithm is a constant. jwt_verify returns negative numbers for errors, so only 1 is a success.",
        *(
            f"http-request set-var(txn.verified) var(txn.token),jwt_verify({algorithm},txn.key)"
            f" if !{{ var(txn.verified) -m found }} {{ var(txn.key) -m end {suffix} }}"
            for algorithm, suffix in SUFFIXES.items()
        ),
        "http-request allow unless { var(txn.verified) -m int eq 1 }",
    ]


def _claims(settings: GatewaySettings, folder: EdgeFolder) -> list[str]:
    # `-m reg` matches no empty text. json_query finds no text with escapes that it cannot decode.
    without_roles = """{ var(txn.claims) -m sub '"roles":""' }"""
    return [
        "# The claims. The leeway is the gateway's affair.",
        "http-request set-var(txn.claims) var(txn.token),field(2,.),ub64dec",
        "http-request set-var(txn.life) var(txn.claims),json_query('$.exp','int'),sub(txn.now)",
        f"http-request allow unless {{ var(txn.life) -m int 1:{LONGEST_ACCESS_LIFETIME} }}",
        *(f"http-request set-var(txn.{name}) var(txn.claims),json_query('$.{name}')" for name in _PATTERNS),
        f"http-request unset-var(txn.roles) if {without_roles}",
        "# Not revoked.",
        *(
            f"http-request allow if {{ var(txn.{name}),map_str({folder.revoked_map}) -m found }}"
            for name in ("sid", "sub")
        ),
        "# What cannot change is checked once for each token.",
        f"http-request set-var(txn.known) int(1) if {{ var(txn.digest),in_table({VERIFIED_TABLE}) }}",
        *(f"{rule} !{{ var(txn.known) -m found }}" for rule in _once(settings, without_roles)),
        f"http-request track-sc1 var(txn.digest) table {VERIFIED_TABLE} if !{{ var(txn.known) -m found }}",
    ]


def _once(settings: GatewaySettings, without_roles: str) -> list[str]:
    """Return the rules for claims whose result is the same for every request with a token."""
    expected = {"iss": settings.token_issuer, "aud": settings.access_audience, "token_type": ACCESS}
    return [
        *(
            f"http-request allow if !{{ var(txn.claims),json_query('$.{name}') -m str {quoted(value)} }}"
            for name, value in expected.items()
        ),
        "http-request allow if !{ var(txn.claims),json_query('$.jti') -m found }",
        "http-request set-var(txn.age) var(txn.claims),json_query('$.iat','int'),neg,add(txn.now) if",
        f"http-request allow if !{{ var(txn.age) -m int 0:{LONGEST_ACCESS_LIFETIME} }}",
        "http-request set-var(txn.early) var(txn.claims),json_query('$.nbf','int'),sub(txn.now) if",
        "http-request allow if { var(txn.early) -m int gt 0 }",
        *(
            rf"http-request allow if !{{ var(txn.{name}) -m reg '^{_NO_LITERAL}(?:{pattern})\z' }}"
            f"{f' !{without_roles}' if name == 'roles' else ''}"
            for name, pattern in _PATTERNS.items()
        ),
    ]


def _access(decided: DecidedRoutes) -> list[str]:
    by_roles: dict[frozenset[str], list[str]] = {}
    for edge in decided.at_edge:
        if edge.route.roles:
            by_roles.setdefault(edge.route.roles, []).append(edge.name)
    return [
        f"http-request allow if {{ var(txn.route) -m str {' '.join(names)} }}"
        f" !{{ var(txn.roles) -m reg '(?:^| )(?:{'|'.join(_escaped(role) for role in sorted(roles))})(?: |$)' }}"
        for roles, names in by_roles.items()
    ]


def _escaped(role: str) -> str:
    return role.replace(".", "[.]")


def quoted(value: str) -> str:
    """Return `value` in HAProxy's strong quotes (Configuration Manual 2.2)."""
    return "'" + value.replace("'", r"'\''") + "'"
