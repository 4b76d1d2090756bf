"""Decides which header fields of a request cross the gateway, and refuses those that must not come in.

What is forwarded is built from nothing: a field crosses when its name is plain and on no list below. Names are
looked up in a table that learns them, so a known name costs one look-up.

A plain name is made of letters, digits and `-`. CGI, WSGI and PHP give a service one variable for `X-User-Id`,
`X_User_Id` and `X.User.Id`; so a request's field with any other name is withheld, and a name that folds to one of the
gateway's own can be named by no route.
"""

import re
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
    is_plain,
    list_elements,
    normalized_name,
)
from gateway.http.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.http.vouched_fields import is_vouched


class Fate(Enum):
    """What becomes of a header field."""

    CROSS = auto()
    STAY = auto()
    WITHHELD = auto()  # stays, unless the route names it
    READ = auto()
    REFUSE = auto()


# The gateway alone says these, or nobody does: a service behind might believe them, and those that name another
# method or path would undo what was authorized. No route can let them through.
_GATEWAYS_OWN = (
    "forwarded",
    "proxy",  # CGI makes HTTP_PROXY of it (CVE-2016-5385)
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
)
_GATEWAYS_OWN_PREFIXES = (
    "proxy-",
    "sec-websocket-",
    "x-forwarded-",
    "x-user-",
    "x-session-",
    "x-identity-",
)
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

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def _request_fate(name: bytes) -> Fate:
    if not PLAIN_NAME.fullmatch(name):
        return Fate.WITHHELD if TOKEN.fullmatch(name) else Fate.REFUSE
    text = name.decode("ascii")
    if text in _READ:
        return Fate.READ
    if text in HOP_BY_HOP or text in _GATEWAYS_OWN or text.startswith(_GATEWAYS_OWN_PREFIXES):
        return Fate.STAY
    if is_vouched(text):
        return Fate.WITHHELD
    return Fate.CROSS


class _Table(dict[bytes, Fate]):
    def __missing__(self, name: bytes) -> Fate:
        fate = _request_fate(name)
        if len(self) < MAX_CACHED_NAMES and len(name) <= MAX_CACHED_NAME_BYTES:
            self[name] = fate
            if fate is Fate.WITHHELD:
                # Once a name and worker: whoever misses the field behind the gateway finds out here.
                _log.info("request_field_withheld", name=name.decode("ascii"), to_forward_it=_TO_FORWARD)
        return fate


_TO_FORWARD = "forward_headers of the route in routes.toml"
_log = structlog.get_logger("headers")
_REQUEST_FATES = _Table()


@dataclass(slots=True)
class RequestFields:
    """A request's header, read once: what crosses (ended lines), and what the gateway itself needs."""

    lines: list[bytes] = field(default_factory=list)
    withheld: list[bytes] = field(default_factory=list)
    """Lines, as in `lines`, that cross only where the route names their field."""
    host: bytes | None = None
    authorization: bytes | None = None
    fetched_seal: str = ""
    """Where the gateway fetched the token in `authorization`: what proves that to the auth service."""
    cookies: list[bytes] = field(default_factory=list)
    content_length: int | None = None
    chunked: bool = False
    traceparent: bytes | None = None
    refresh_token: str | None = None
    via: bytes | None = None
    max_forwards: int | None = None

    @property
    def has_body(self) -> bool:
        """Whether a body follows. RFC 9112 6.3."""
        return self.chunked or bool(self.content_length)


def read_request_fields(
    headers: list[tuple[bytes, bytes]], http_version: str, limits: RequestLimits = DEFAULT_LIMITS
) -> RequestFields:
    """Reads `headers` (names in lower case). Raises Refused(400, 401 or 431) for what two readers could differ on."""
    if len(headers) > limits.header_fields:
        raise Refused("headers_too_large", f"There are over {limits.header_fields} header fields.")
    fields = RequestFields()
    lines = fields.lines
    connection: list[bytes] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
        fate = _REQUEST_FATES[name]
        if fate is Fate.CROSS:
            lines += (name, b": ", value, b"\r\n")
        elif fate is Fate.READ:
            _read(fields, connection, name, value)
        elif fate is Fate.WITHHELD:
            fields.withheld += (name, b": ", value, b"\r\n")
        elif fate is Fate.REFUSE:
            raise Refused("bad_header", f"{_shown(name)} is no name of a header field (RFC 9110 5.1).")
    if size > limits.header_bytes:
        raise _too_large(fields, limits)
    _check(fields, http_version)
    if connection:
        # RFC 9110 7.6.1: what Connection names goes no further. The gateway's own fields are written later and
        # elsewhere, so naming one of them takes nothing away (CVE-2021-32813).
        fields.lines = without_named(lines, connection)
        fields.withheld = without_named(fields.withheld, connection)
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
            raise Refused("bad_header", "The only known Transfer-Encoding is chunked.")
        fields.chunked = True
    elif name == b"connection":
        if value.lower() not in (b"keep-alive", b"close"):
            connection += list_elements(value.lower())
    elif name == b"expect":
        if any(expectation != b"100-continue" for expectation in list_elements(value.lower())):
            raise Refused("bad_header", "The only known expectation is 100-continue.")
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
    elif name == b"traceparent" and _TRACEPARENT.fullmatch(value):
        fields.traceparent = value


def _check(fields: RequestFields, http_version: str) -> None:
    if http_version == "1.1":
        if not fields.host:
            raise Refused("bad_header", "HTTP/1.1 asks for a Host.")  # RFC 9112 3.2
    elif http_version != "1.0":
        raise Refused("bad_request", "The known versions are HTTP/1.0 and HTTP/1.1.")
    elif fields.chunked:
        raise Refused("bad_header", "HTTP/1.0 has no Transfer-Encoding.")  # RFC 9112 6.1
    if fields.chunked and fields.content_length is not None:
        raise Refused("bad_header", "Content-Length and Transfer-Encoding exclude each other.")


def without_named(lines: list[bytes], named: Collection[bytes]) -> list[bytes]:
    """`lines`, four parts each, without the fields of these names."""
    kept: list[bytes] = []
    for start in range(0, len(lines), 4):
        if lines[start] not in named:
            kept += lines[start : start + 4]
    return kept


def release(fields: RequestFields, names: Collection[bytes]) -> int:
    """Let those of the withheld fields cross that have one of these names. Return how many still do not."""
    withheld = fields.withheld
    crossing: list[bytes] = []
    for start in range(0, len(withheld), 4):
        if withheld[start] in names:
            crossing += withheld[start : start + 4]
    fields.lines += crossing
    return (len(withheld) - len(crossing)) // 4


def _too_large(fields: RequestFields, limits: RequestLimits) -> Refused:
    # An oversized token is a bad token first: clients tell the two apart by the status.
    if fields.authorization and len(fields.authorization) > MAX_TOKEN_LENGTH:
        return Refused("token_invalid", "The token is over 8 KB.")
    return Refused("headers_too_large", f"The header section is over {limits.header_bytes} bytes.")


def _shown(name: bytes) -> str:
    return ascii(name[:64].decode("latin-1"))


def own_fields(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields that the gateway's own endpoints may see: what crosses, and what says who asks and what follows."""
    ours_to_see = (Fate.CROSS, Fate.READ)
    cookies = [value for name, value in headers if name == b"cookie"]
    if len(cookies) > 1:  # WSGI would join them with commas, which are letters of a value
        headers = [*(field for field in headers if field[0] != b"cookie"), (b"cookie", b"; ".join(cookies))]
    return [(name, value) for name, value in headers if _REQUEST_FATES[name] in ours_to_see and name != b"via"]


def may_be_set_on_requests(name: str) -> bool:
    """Whether a route may say the field `name`: plain, and not one that the gateway says or reads itself."""
    return is_plain(name) and may_be_forwarded(name)


def may_be_forwarded(name: str) -> bool:
    """Whether a route may let the client's field `name` reach its service.

    Never a spelling in which a service might take it for a field that the gateway says or reads itself.
    """
    lower = name.lower().encode()
    fates = {_request_fate(lower), _request_fate(normalized_name(lower))}
    return fates <= {Fate.CROSS, Fate.WITHHELD}
