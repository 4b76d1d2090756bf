"""Select the header fields of a request that are forwarded, and reject malformed ones.

A field is forwarded if its name is plain, on none of the lists below and not spoofable. A spoofable field
(spoofable_headers.py) is forwarded only on routes that list it in `forward_headers`. The action for each name is
cached, so a known name costs one look-up.

A plain name consists of letters, digits and `-`. CGI, WSGI and PHP give a service the same variable for `X-User-Id`,
`X_User_Id` and `X.User.Id`. So a field whose name is not plain is forwarded only on routes that list it in
`forward_headers`, which must not list a field whose normalized name the gateway sends or reads itself.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto

import structlog

from contract.claims import MAX_TOKEN_LENGTH
from contract.problems import Refused
from gateway.http.authority import is_host
from gateway.http.header_fields import (
    HOP_BY_HOP,
    MAX_CACHED_NAME_BYTES,
    MAX_CACHED_NAMES,
    PLAIN_NAME,
    TOKEN,
    HeaderList,
    is_plain,
    list_elements,
    normalized_name,
)
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.http.spoofable_headers import SPOOFABLE_NAMES, SPOOFABLE_PREFIXES, is_spoofable


class FieldAction(Enum):
    """The gateway's action for a header field of a request."""

    FORWARD = auto()
    FORWARD_ON_OPT_IN = auto()  # forward it if the route lists it in `forward_headers`
    DROP = auto()
    READ = auto()  # the gateway uses it, and may send a field of the same name
    REJECT = auto()


# A service may trust these fields, and some override the method or path that was authorized. So they are dropped, and
# no route can forward them.
_RESERVED = (
    "forwarded",
    "proxy",  # CGI turns it into HTTP_PROXY (CVE-2016-5385)
    "x-fetched-token",
    "x-http-method",
    "x-http-method-override",
    "x-identity",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-peer",
    "x-access-token",
    "x-request-id",
    "x-rewrite-url",
    "x-sallyport-fault",
)
_RESERVED_PREFIXES = (
    "proxy-",
    "sec-websocket-",
    "x-forwarded-",
    "x-user-",
    "x-session-",
    "x-identity-",
)
# Reserved fields in which other proxies send claims. The gateway sets them only if an upstream's identity_headers do.
_CLAIM_FIELDS = frozenset(
    {
        "x-forwarded-email",
        "x-forwarded-groups",
        "x-forwarded-preferred-username",
        "x-forwarded-roles",
        "x-forwarded-user",
        "x-user-login",
        "x-user-name",
    }
)
# RFC 9110 and the Fetch standard define these for the request itself, so a service must receive the client's.
_REQUEST_FIELDS = frozenset(
    {
        "cache-control",
        "date",
        "origin",
        "pragma",
        "priority",
        "range",
        "referer",
        "service-worker",
        "upgrade-insecure-requests",
        "user-agent",
        "x-csrf-token",
        "x-csrftoken",
        "x-requested-with",
        "x-xsrf-token",
    }
)
_REQUEST_FIELD_PREFIXES = ("accept", "access-control-", "content-", "if-", "sec-")
WITHHELD_NAMES = frozenset({*HOP_BY_HOP, *_RESERVED, *SPOOFABLE_NAMES})
WITHHELD_PREFIXES = (*_RESERVED_PREFIXES, *SPOOFABLE_PREFIXES)
"""The plain names of fields, and their beginnings, that services receive on routes with `forward_headers` at most."""

_READ = (
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "max-forwards",
    "traceparent",
    "transfer-encoding",
    "via",
    "x-refresh-token",
)


def _action(name: bytes) -> FieldAction:
    if not PLAIN_NAME.fullmatch(name):
        return FieldAction.FORWARD_ON_OPT_IN if TOKEN.fullmatch(name) else FieldAction.REJECT
    text = name.decode("ascii")
    if text in _READ:
        return FieldAction.READ
    if text in HOP_BY_HOP or text in _RESERVED or text.startswith(_RESERVED_PREFIXES):
        return FieldAction.DROP
    if is_spoofable(text):
        return FieldAction.FORWARD_ON_OPT_IN
    return FieldAction.FORWARD


class FieldActionCache(dict[bytes, FieldAction]):
    """Cache of actions by field name. It keeps MAX_CACHED_NAMES; other names are computed each time."""

    def __missing__(self, name: bytes) -> FieldAction:
        action = _action(name)
        if len(self) < MAX_CACHED_NAMES and len(name) <= MAX_CACHED_NAME_BYTES:
            self[name] = action
            if action is FieldAction.FORWARD_ON_OPT_IN:
                # Logged once for each name and worker, for operators whose service does not receive the field.
                _log.info("request_field_withheld", name=name.decode("ascii"), to_forward_it=_TO_FORWARD)
        return action


_TO_FORWARD = "forward_headers of the route in routes.toml"
_log = structlog.get_logger("headers")
_actions = FieldActionCache()


@dataclass(slots=True)
class RequestFields:
    """The header fields of a request: those to forward, and those that the gateway uses itself."""

    lines: list[bytes] = field(default_factory=list)
    """The header lines to forward; each is four items: name, `: `, value, CRLF."""
    opt_in_lines: list[bytes] = field(default_factory=list)
    """Header lines, as in `lines`, that are forwarded only on routes that list their field."""
    host: bytes | None = None
    authorization: bytes | None = None
    cookies: list[bytes] = field(default_factory=list)
    content_length: int | None = None
    chunked: bool = False
    traceparent: bytes | None = None
    """The last one, well-formed or not."""
    refresh_token: str | None = None
    via: bytes | None = None
    max_forwards: int | None = None

    @property
    def has_body(self) -> bool:
        """Return whether a body follows (RFC 9112 6.3)."""
        return self.chunked or bool(self.content_length)


def read_request_fields(
    headers: HeaderList, http_version: str, limits: RequestLimits = DEFAULT_LIMITS
) -> RequestFields:
    """Return the classified fields in `headers`. Raises Refused(400, 401 or 431) if malformed or too large."""
    if len(headers) > limits.header_fields:
        raise Refused("headers_too_large", f"There are over {limits.header_fields} header fields.")
    fields = RequestFields()
    lines = fields.lines
    connection: list[bytes] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
        action = _actions[name]
        if action is FieldAction.FORWARD:
            lines += (name, b": ", value, b"\r\n")
        elif action is FieldAction.READ:
            _read(fields, connection, name, value)
        elif action is FieldAction.FORWARD_ON_OPT_IN:
            fields.opt_in_lines += (name, b": ", value, b"\r\n")
        elif action is FieldAction.REJECT:
            raise Refused("bad_header", f"{_printable(name)} is not a valid header field name (RFC 9110 5.1).")
    if size > limits.header_bytes:
        raise _too_large(fields, limits)
    _check(fields, http_version)
    if connection:
        # RFC 9110 7.6.1: the fields that Connection lists are not forwarded. The gateway adds its own fields later,
        # so a client cannot remove them with Connection (CVE-2021-32813).
        fields.lines = without_fields(lines, connection)
        fields.opt_in_lines = without_fields(fields.opt_in_lines, connection)
    return fields


def _read(fields: RequestFields, connection: list[bytes], name: bytes, value: bytes) -> None:
    if name == b"host":
        if fields.host is not None:
            raise Refused("bad_header", "There is more than one Host.")
        if value and not is_host(value):
            raise Refused("bad_header", "The Host is malformed.")
        fields.host = value
    elif name == b"authorization":
        if fields.authorization is not None:
            raise Refused("multiple_credentials", "There is more than one Authorization header.")
        fields.authorization = value
    elif name == b"cookie":
        fields.cookies.append(value)
    elif name == b"content-length":
        if fields.content_length is not None or not value.isdigit() or len(value) > 18:
            raise Refused("bad_header", "Content-Length must be one decimal number.")
        fields.content_length = int(value)
    elif name == b"transfer-encoding":
        if fields.chunked or value.lower() != b"chunked":
            raise Refused("bad_header", "The only supported Transfer-Encoding is chunked.")
        fields.chunked = True
    elif name == b"connection":
        if value.lower() not in (b"keep-alive", b"close"):
            connection += list_elements(value.lower())
    elif name == b"expect":
        if any(expectation != b"100-continue" for expectation in list_elements(value.lower())):
            raise Refused("bad_header", "The only supported expectation is 100-continue.")
    elif name == b"x-refresh-token":
        if fields.refresh_token is not None:
            raise Refused("multiple_credentials", "There is more than one X-Refresh-Token header.")
        fields.refresh_token = value.decode("latin-1")
    elif name == b"via":
        fields.via = value if fields.via is None else fields.via + b", " + value
    elif name == b"max-forwards":
        if fields.max_forwards is not None or not value.isdigit() or len(value) > 9:
            raise Refused("bad_header", "Max-Forwards must be one decimal number.")
        fields.max_forwards = int(value)
    elif name == b"traceparent":
        fields.traceparent = value


def _check(fields: RequestFields, http_version: str) -> None:
    if http_version == "1.1":
        if not fields.host:
            raise Refused("bad_header", "HTTP/1.1 requires a Host.")  # RFC 9112 3.2
    elif http_version != "1.0":
        raise Refused("bad_request", "The supported versions are HTTP/1.0 and HTTP/1.1.")
    elif fields.chunked:
        raise Refused("bad_header", "HTTP/1.0 has no Transfer-Encoding.")  # RFC 9112 6.1
    if fields.chunked and fields.content_length is not None:
        raise Refused("bad_header", "A request must not have both Content-Length and Transfer-Encoding.")


def without_fields(lines: list[bytes], names: Collection[bytes]) -> list[bytes]:
    """Return header lines, four items each, without the fields in `names`."""
    kept: list[bytes] = []
    for start in range(0, len(lines), 4):
        if lines[start] not in names:
            kept += lines[start : start + 4]
    return kept


def forward_opt_in(fields: RequestFields, names: Collection[bytes]) -> int:
    """Add the opt-in lines whose fields are in `names` to `fields.lines`. Return the number of other opt-in lines."""
    opt_in_lines = fields.opt_in_lines
    forwarded: list[bytes] = []
    for start in range(0, len(opt_in_lines), 4):
        if opt_in_lines[start] in names:
            forwarded += opt_in_lines[start : start + 4]
    fields.lines += forwarded
    return (len(opt_in_lines) - len(forwarded)) // 4


def _too_large(fields: RequestFields, limits: RequestLimits) -> Refused:
    # 401 instead of 431, because a client gets a new token after a 401.
    if fields.authorization and len(fields.authorization) > MAX_TOKEN_LENGTH:
        return Refused("token_invalid", "The token is over 8 KB.")
    return Refused("headers_too_large", f"The header section is over {limits.header_bytes} bytes.")


def _printable(name: bytes) -> str:
    return ascii(name[:64].decode("latin-1"))


def gateway_endpoint_fields(headers: HeaderList) -> HeaderList:
    """Return the fields that the gateway's own endpoints receive: those with action FORWARD or READ, except Via."""
    visible = (FieldAction.FORWARD, FieldAction.READ)
    cookies = [value for name, value in headers if name == b"cookie"]
    if len(cookies) > 1:  # WSGI would join them with commas, which are valid in a cookie's value
        headers = [*(field for field in headers if field[0] != b"cookie"), (b"cookie", b"; ".join(cookies))]
    return [(name, value) for name, value in headers if _actions[name] in visible and name != b"via"]


def may_be_set_on_requests(name: str) -> bool:
    """Return whether a route may set the field `name`: it is plain and may be forwarded."""
    return is_plain(name) and may_be_forwarded(name)


def may_carry_claims(name: str) -> bool:
    """Return whether an upstream may receive a claim of the token in the field `name`.

    False for fields that the gateway sets or reads itself, and for those that describe the request or its content.
    """
    lower = name.lower()
    if not is_plain(name) or lower in _REQUEST_FIELDS or lower.startswith(_REQUEST_FIELD_PREFIXES):
        return False
    return lower in _CLAIM_FIELDS or may_be_forwarded(name)


def may_be_forwarded(name: str) -> bool:
    """Return whether a route may forward the client's field `name`.

    False if the name or its normalized form is a field that the gateway drops, reads or rejects.
    """
    lower = name.lower().encode()
    actions = {_action(lower), _action(normalized_name(lower))}
    return actions <= {FieldAction.FORWARD, FieldAction.FORWARD_ON_OPT_IN}
