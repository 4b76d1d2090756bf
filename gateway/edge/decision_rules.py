"""The rules of HAProxy that decide which requests the edge decides itself.

Each rule leaves some requests to the gateway (`http-request allow` ends the rules, and the default backend is the
gateway's). What passes all of them has a valid token that the gateway has accepted before, on a route of the edge.
"""

import json
import re

from contract.claims import ACCESS, ACCESS_CLAIMS, LONGEST_ACCESS_LIFETIME
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

SINGLE_FIELDS = ("host", "origin")
"""A request in which one of these fields occurs twice is left to the gateway."""

# Printable ASCII without the characters that JSON or header fields escape: `"`, `%` and `\`.
_PLAIN_TEXT = r"[!#$&-[\]-~]+"

FIELDS = ("exp", "iat", "sub", "sid", "email", "roles")
"""The claims that the edge reads, in the order in which `txn.claims` holds them."""

SEPARATOR = "%"
"""Stands between claims in `txn.claims`; no claim there contains it."""


def decision_rules(
    decided: DecidedRoutes, settings: GatewaySettings, listener: Listener, folder: EdgeFolder
) -> list[str]:
    """Return the rules. After the last one, `txn.backend` is the backend of the route."""
    return [
        *_liveness(folder),
        *_target(decided, settings, folder),
        *_fields(settings, listener),
        *_token(settings, folder),
        *_claims(folder),
        *_access(decided),
        "http-request set-var(txn.backend) var(txn.route)",
    ]


def _liveness(folder: EdgeFolder) -> list[str]:
    return [
        "# `gateway edge sync` moves valid_until on while it knows every revocation.",
        "http-request allow if { stopping }",
        "http-request allow unless"
        f" {{ str(valid_until),map_str_int({folder.state_map},0),sub(txn.now) -m int gt 0 }}",
    ]


def _target(decided: DecidedRoutes, settings: GatewaySettings, folder: EdgeFolder) -> list[str]:
    backends = [edge.name for edge in decided.at_edge]
    by_size: dict[int, list[str]] = {}
    for edge in decided.at_edge:
        by_size.setdefault(edge.route.max_body, []).append(edge.name)
    # A query without characters that need escapes, and without a ticket. `pathq` has no scheme and no authority.
    target = quoted(
        rf"^(?=.{{1,{settings.max_target_bytes}}}\z){PLAIN_PATH.pattern.decode()}(?:\?(?!.*ticket=)[!\"$-~]*)?\z"
    )
    return [
        "# Targets that all servers read in the same way, in origin-form, and without a ticket.",
        f"http-request allow unless {{ req.ver 1.1 }} {{ url -m reg {target} }}"
        f" || {{ req.ver 2.0 }} {{ pathq -m reg {target} }}",
        "# The route with the longest prefix of whole segments.",
        f"http-request set-var(txn.route) method,concat(,txn.path,/),map_beg({folder.routes_map},{GATEWAY})",
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
    names = "|".join(FIELDS_FOR_GATEWAY)
    twice = "|".join(f"{name}:(?:.*:)?{name}" for name in SINGLE_FIELDS)
    is_allowed = f"{{ var(txn.origin) -m str {' '.join(origins)} }}" if origins else "{ always_false }"
    return [
        "# Header fields that change what the gateway does.",
        f"http-request set-var(txn.names) req.hdr_names({NAME_SEPARATOR})",
        f"http-request allow if {{ var(txn.names) -m reg '(?:^|:)(?:{names}|{twice})(?::|$)' }}",
        "http-request allow if { req.fhdr(accept) -i -m sub text/event-stream }",
        f"http-request allow if {{ req.fhdr_cnt gt {settings.max_header_fields} }}",
        f"http-request allow if {{ req.hdrs -m len gt {settings.max_header_bytes} }}",
        "http-request set-var(txn.host) req.fhdr(host)",
        "http-request allow unless"
        r" { var(txn.host) -m reg '^(?:[A-Za-z0-9._~-]{1,200}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$' }",
        "# In HTTP/2 a body needs no length. Then it has no limit here, whatever the method.",
        "http-request wait-for-body time 5s at-least 1 if { req.ver 2.0 } !{ req.hdr(content-length) -m found }",
        "http-request allow if { req.ver 2.0 } !{ req.hdr(content-length) -m found } { req.body_len gt 0 }",
        "# Origins: none, the gateway's own, or one of ALLOWED_ORIGINS.",
        "http-request set-var(txn.origin) req.fhdr(origin)",
        f"http-request set-var(txn.allowed_origin) var(txn.origin) if {{ var(txn.origin) -m found }} {is_allowed}",
        f'http-request set-var-fmt(txn.own_origin) "{listener.scheme}://%[var(txn.host)]"'
        " if { var(txn.origin) -m found }",
        "http-request allow if { var(txn.origin) -m found } !{ var(txn.allowed_origin) -m found }"
        " !{ var(txn.origin),strcmp(txn.own_origin) eq 0 }",
    ]


def _token(settings: GatewaySettings, folder: EdgeFolder) -> list[str]:
    known, was_verified = "{ var(txn.known) -m found }", f"{{ var(txn.digest),in_table({VERIFIED_TABLE}) }}"
    claims = f"var(txn.token),field(2,.),ub64dec,regsub('{_claims_pattern(settings)}','{_FOUND_CLAIMS}')"
    return [
        "# One bearer token, whose header is, byte for byte, that of a key in use.",
        "http-request allow unless { req.hdr_cnt(authorization) eq 1 }",
        "http-request set-var(txn.token) http_auth_bearer",
        f"http-request set-var(txn.key) var(txn.token),field(1,.),map_str({folder.keys_map})",
        "http-request allow unless { var(txn.key) -m found }",
        "http-request set-var(txn.proof) var(txn.token),concat(,txn.key)",
        "# The last token of this connection that was verified, with its key, is known with its claims.",
        "http-request set-var(txn.last) var(sess.verified)",
        f"http-request set-var(txn.last_claims) var(txn.last),field(1,{SEPARATOR},{len(FIELDS)})",
        "http-request set-var(txn.known) int(1)"
        f" if {{ var(txn.last_claims),concat({SEPARATOR},txn.proof),strcmp(txn.last) eq 0 }}",
        f"http-request set-var(txn.claims) var(txn.last_claims) if {known}",
        "# What HAProxy has verified with this key before needs no second verification.",
        f"http-request set-var(txn.digest) var(txn.proof),sha2(256) if !{known}",
        "# The gateway has accepted it before: it has checked its form and reported its use.",
        f"http-request allow unless {known} || {was_verified} || {{ var(txn.digest),in_table({ACCEPTED_TABLE}) }}",
        "# The algorithm is a constant. jwt_verify returns negative numbers for errors, so only 1 is a success.",
        *(
            f"http-request set-var(txn.signature) var(txn.token),jwt_verify({algorithm},txn.key)"
            f" if !{known} !{was_verified} {{ var(txn.key) -m end {suffix} }}"
            for algorithm, suffix in SUFFIXES.items()
        ),
        f"http-request allow unless {known} || {was_verified} || {{ var(txn.signature) -m int eq 1 }}",
        "# The claims are, byte for byte, in the form that the auth service writes. Others stay as they are.",
        f"http-request set-var(txn.claims) {quoted(claims)} if !{known}",
        f"http-request allow unless {known} || {{ var(txn.claims) -m reg '^[0-9]{{10}}{SEPARATOR}' }}",
    ]


def _claims(folder: EdgeFolder) -> list[str]:
    known = "{ var(txn.known) -m found }"
    field = {name: f"var(txn.claims),field({number},{SEPARATOR})" for number, name in enumerate(FIELDS, 1)}
    return [
        "# The leeway is the gateway's affair.",
        f"http-request allow unless {{ {field['exp']},sub(txn.now) -m int 1:{LONGEST_ACCESS_LIFETIME} }}",
        *(f"http-request set-var(txn.{name}) {field[name]}" for name in ("sub", "sid", "email", "roles")),
        "# Not revoked.",
        *(
            f"http-request allow if {{ var(txn.{name}),map_str({folder.revoked_map}) -m found }}"
            for name in ("sid", "sub")
        ),
        "# What cannot change is checked once for each token and connection.",
        f"http-request allow unless {known}"
        f" || {{ {field['iat']},neg,add(txn.now) -m int 0:{LONGEST_ACCESS_LIFETIME} }}",
        f"http-request track-sc1 var(txn.digest) table {VERIFIED_TABLE} if !{known}",
        f"http-request set-var(sess.verified) var(txn.claims),concat({SEPARATOR},txn.proof) if !{known}",
    ]


def _claims_pattern(settings: GatewaySettings) -> str:
    """Return the regular expression (PCRE) of an access token's claims, as the auth service writes them.

    Claims of a claims hook come first. The edge does not read them. A JSON text contains quotation marks inside a
    string only after a backslash, so the text cannot be a part of such a claim.
    """
    patterns = {
        "token_type": _json_pattern(ACCESS),
        "iss": _json_pattern(settings.token_issuer),
        "sub": f'"({PLAIN_VALUE.pattern})"',
        "user_id": rf'"{PLAIN_VALUE.pattern}"',
        "sid": f'"({PLAIN_VALUE.pattern})"',
        "generation": "[0-9]{1,10}",
        "aud": _json_pattern(settings.access_audience),
        "iat": "([0-9]{10})",
        "exp": "([0-9]{10})",
        "jti": r'"[ !#-[\]-~]+"',
        "email": f'"({_PLAIN_TEXT})"',
        "roles": f'"((?:{_PLAIN_TEXT}(?: {_PLAIN_TEXT})*)?)"',
    }
    members = ",".join(f'"{name}":{patterns[name]}' for name in ACCESS_CLAIMS)
    return rf"^\{{(?:.*,)?{members}\}}\z"


_GROUPS = [name for name in ACCESS_CLAIMS if name in FIELDS]
_FOUND_CLAIMS = SEPARATOR.join(rf"\{_GROUPS.index(name) + 1}" for name in FIELDS)


def _json_pattern(value: str) -> str:
    """Return the regular expression of the JSON text of `value`, without quotes that end an argument of HAProxy."""
    return re.escape(json.dumps(value)).replace("'", r"\x27")


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
