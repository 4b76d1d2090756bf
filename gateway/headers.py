"""Decides which header fields cross the gateway, in both directions, and refuses those that must not come in.

What is forwarded is built from nothing: a field crosses when its name is plain and on no list below. Names are
looked up in a table that learns them, so a known name costs one look-up.

A plain name is made of letters, digits and `-`. CGI, WSGI and PHP give a service one variable for `X-User-Id`,
`X_User_Id` and `X.User.Id`; so a request's field with any other name is withheld, and a name that folds to one of the
gateway's own can be named by no route.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

import structlog

from contract.claims import MAX_TOKEN_LENGTH
from contract.problems import Refused
from gateway.authority import is_host
from gateway.clients import standing_fields
from gateway.list_fields import elements
from gateway.request_limits import DEFAULT_LIMITS, RequestLimits
from gateway.vouched_fields import is_vouched

Fields = Iterable[tuple[bytes, bytes]]


class Fate(Enum):
    """What becomes of a header field."""

    CROSS = auto()
    STAY = auto()
    WITHHELD = auto()  # stays, unless the route names it
    READ = auto()
    REFUSE = auto()


# RFC 9110 7.6.1, with the Proxy-* fields and what only the next hop may say.
_HOP_BY_HOP = (
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
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

_PLAIN_NAME = re.compile(rb"[a-z0-9-]+")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110 5.6.2, in lower case
_NOT_PLAIN = re.compile(rb"[^a-z0-9-]")
_TABLE_SIZE = 2_000
_LONGEST_KNOWN = 128
"""Bytes of a name that is kept in the table and written to the log."""

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def folded(name: bytes) -> bytes:
    """The plain name under which a service may know the field `name`, which is in lower case."""
    return _NOT_PLAIN.sub(b"-", name)


def _request_fate(name: bytes) -> Fate:
    if not _PLAIN_NAME.fullmatch(name):
        return Fate.WITHHELD if _TOKEN.fullmatch(name) else Fate.REFUSE
    text = name.decode("ascii")
    if text in _READ:
        return Fate.READ
    if text in _HOP_BY_HOP or text in _GATEWAYS_OWN or text.startswith(_GATEWAYS_OWN_PREFIXES):
        return Fate.STAY
    if is_vouched(text):
        return Fate.WITHHELD
    return Fate.CROSS


class _Table(dict[bytes, Fate]):
    def __missing__(self, name: bytes) -> Fate:
        fate = _request_fate(name)
        if len(self) < _TABLE_SIZE and len(name) <= _LONGEST_KNOWN:
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
            connection += elements(value.lower())
    elif name == b"expect":
        if any(expectation != b"100-continue" for expectation in elements(value.lower())):
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
    return _is_plain(name) and may_be_forwarded(name)


def may_be_forwarded(name: str) -> bool:
    """Whether a route may let the client's field `name` reach its service.

    Never a spelling in which a service might take it for a field that the gateway says or reads itself.
    """
    lower = name.lower().encode()
    fates = {_request_fate(lower), _request_fate(folded(lower))}
    return fates <= {Fate.CROSS, Fate.WITHHELD}


def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name.lower().encode()) is not None


# --- the way back --------------------------------------------------------------------------------------------

# By these a service tells the proxy in front of it to send a file or to ask elsewhere. That proxy is the gateway,
# which does neither; nginx in front of it would obey, and a client would learn the file's name.
_TO_THE_NEXT_PROXY = ("x-accel-redirect", "x-lighttpd-send-file", "x-reproxy-url", "x-sendfile", "x-sendfile2")

_ANSWERS_STAY = frozenset(
    name.encode("ascii")
    for name in (
        *_HOP_BY_HOP,
        *standing_fields.NAMES,
        *_TO_THE_NEXT_PROXY,
        "date",
        "server",
        "x-access-token",
        "x-identity",
        "x-identity-refused",
        "x-peer",
        "x-refresh-token",
        "x-request-id",
    )
)


_ANSWERS_STAY_PREFIXES = (
    b"access-control-",  # gateway/cors.py alone says who may read an answer
    b"x-user-",
    b"x-session-",
)


# Framing says how long a body is, and cookies are the services' to set.
_NO_ROUTES_OWN = frozenset({b"content-length", b"set-cookie"})

_FOR_THE_LOG = frozenset(name.encode("ascii") for name in _TO_THE_NEXT_PROXY)


def _answer_name(raw: bytes) -> bytes | None:
    name = raw.lower()
    if not _TOKEN.fullmatch(name):
        return None
    plain = folded(name)
    if plain in _ANSWERS_STAY or plain.startswith(_ANSWERS_STAY_PREFIXES):
        return None
    # A client behind one more proxy may know a field by its plain name; of framing and cookies there is one spelling.
    return None if plain in _NO_ROUTES_OWN and plain != name else name


class _AnswerNames(dict[bytes, bytes | None]):
    def __missing__(self, raw: bytes) -> bytes | None:
        name = _answer_name(raw)
        if len(self) < _TABLE_SIZE and len(raw) <= _LONGEST_KNOWN:
            self[raw] = name
            if raw.lower() in _FOR_THE_LOG:
                _log.info("answer_field_dropped", name=raw.lower().decode("ascii"))
        return name


_ANSWER_NAMES: Mapping[bytes, bytes | None] = _AnswerNames()


def may_be_set_on_answers(name: str) -> bool:
    """As may_be_set_on_requests, for the way back."""
    plain = name.lower()
    return _is_plain(name) and _answer_name(plain.encode()) is not None and plain.encode() not in _NO_ROUTES_OWN


def may_be_exposed(name: str) -> bool:
    """Whether a route may let pages of other origins read the field `name`: one that reaches clients at all."""
    # Fetch, 2.2.2: Set-Cookie is never readable; 3.2.5: `*` stands for every field.
    return _answer_name(name.encode()) is not None and name.lower() not in ("set-cookie", "*")


SESSION_COOKIE = "__Host-session"
PLAIN_SESSION_COOKIE = "sallyport-session"
"""The gateway's own, over TLS and over plain http (SESSION_COOKIE_SECURE=off).

No service may plant one, in any spelling that a browser sends back under that name."""
_OURS = b"|".join(name.encode() for name in (SESSION_COOKIE, PLAIN_SESSION_COOKIE))
_PLANTED = re.compile(rb"[\s=]*(?:" + _OURS + rb")\s*=", re.IGNORECASE)


def read_answer_fields(headers: Fields, *, keep_cookies: bool) -> list[tuple[bytes, bytes]]:
    """The fields of an upstream's answer that the client may see, names in lower case."""
    crossing: list[tuple[bytes, bytes]] = []
    named: list[bytes] = []
    for raw, value in headers:
        name = _ANSWER_NAMES[raw]
        if name is None:
            if raw.lower() == b"connection":
                named += elements(value.lower())
        elif name != b"set-cookie" or (keep_cookies and not _PLANTED.match(value)):
            crossing.append((name, value))
    if named:
        return [(name, value) for name, value in crossing if name not in named]
    return crossing
