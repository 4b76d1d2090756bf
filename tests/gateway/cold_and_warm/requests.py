"""Generated requests: plain ones, variants with the same header section, and odd ones."""

import random
from dataclasses import dataclass, replace

from tests.gateway.cold_and_warm.request_fields import (
    COMMON,
    ETAGS,
    FORMS,
    HANDLES,
    NAVIGATIONS,
    RARE,
    REFRESH,
    SECOND_CREDENTIALS,
    TOKENS,
    TRACES,
    Field,
)

PREFIXES = (
    *(b"/public/", b"/api/", b"/app/") * 2,
    *(
        b"/app/open/",
        b"/pages/",
        b"/auth/",
        b"/fixed/",
        b"/cookies/",
        b"/cookies/",
        b"/stripped/deep/",
        b"/staff/",
        b"/small-body/",
        b"/streams/",
    ),
)
_FORM_TARGETS = (b"/auth/login/", b"/auth/register/", b"/auth/account/password/", *(b"/app/", b"/app/items") * 2)
"""Hosted pages, whose forms carry an offer of a session handle, and an app that accepts forms."""
_METHODS = (b"GET", b"GET", b"GET", b"POST", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD")
_CREDENTIALS = ("", *("cookie", "token and refresh") * 2, "token and cookie", *("token",) * 5)

_ODD_TARGETS = (
    b"%s?", b"%s??", b"%s?a=b?c", b"%s?ticket=abc", b"%s?x=1&ticket=", b"%s#part", b"%s?a#b", b"%s/../x", b"%s%%2f",
    b"%s%%2e", b"%s%%41", b"%s%%4", b"%sa%%20b", b"%s;v=1", b"%s\\x", b"%s/x", b"%sa//b", b"%s\xc3\xa9", b"%s\xff",
    b"%s?q=\xff", b"%s\x7f", b"%sa b", b"%sa\tb", b"%s\0", b"%s?q=a\"b<c>|", b"%s?q=%%zz", b"http://h.example%s",
    b"https://h.example:8443%s?x", b"//h%s", b"x%s", b"%s%%e2%%82%%ac", b"%s%%c0%%af", b"*", b"", b"h:443",
    b"%s" + b"x" * 9_000, b"%s\rx", b"%s\nx", b"%s HTTP/1.1\r\nX: y",
)  # fmt: skip
_TICKETS = (b"?ticket=abc", b"?a=b&ticket=abc", b"?ticket=", b"?xticket=abc", b"?ticket=a&ticket=b", b"?Ticket=abc")
_ODD_LINES = (
    *(b"%s %s HTTP/1.0",) * 3,
    b"%s %s HTTP/1.10", b"%s %s HTTP/2.0", b"%s %s http/1.1", b"%s  %s HTTP/1.1",
    b"%s %s  HTTP/1.1", b"%s\t%s HTTP/1.1", b"%s %s HTTP/1.1 ", b"%s %s", b"x%s %s HTTP/1.1", b" %s %s HTTP/1.1",
    b"\r\n%s %s HTTP/1.1", b"\n%s %s HTTP/1.1", b"%s %s RTSP/1.0", b"%s %s HTTP/1.1\r", b"%s %s HTTP/1.1\n",
)  # fmt: skip
_ODD_METHODS = (b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"GETS", b"G@T", b"PROPFIND", b"M-SEARCH", b"")
_ODD_TOKENS = (
    b"", b" ", b"%s ", b" %s", b"%s=", b"%s==", b"%s\n", b"%s\r", b"%s\nX-User-Id: root", b"%s\0", b"%s\t",
    b"%s\xff", b"%s,x", b"%s x", b"%s;x", b'"%s"', b"%s\x7f", b"%s%%20", b"\t%s", b"%s" + b"x" * 9_000,
    b"%s\r\n folded", b"=%s", b"%s\x0b", b"%s\x85", b"%s" + b"x" * 1_500,
)  # fmt: skip
_ODD_COOKIES = (
    b"", b" ", b"a=b;", b"%s ", b" %s", b"%s; %s", b"x=1;%s", b"%s\t", b"%s\n", b"%s\0", b"%s\xff", b'"%s"',
    b"%s\x01", b"%s;\t%s", b"%s\x7f", b"%s, x=y", b"x%s", b"%s=", b"%s\r\n x=y", b"%s\nX-User-Id: root",
    b"%s; " + b"x" * 1_500,
)  # fmt: skip
_ODD_TRACES = (
    b"", b"%s ", b"%s\n", b"%s\nX-User-Id: root", b"%s\0", b"%sA", b"%s,%s", b"%s\t", b"%s\xff", b"%s\r\n x", b"%s-",
    b" %s",
)  # fmt: skip
_ODD_LENGTHS = (
    b"", b"0%d", b"+%d", b"-%d", b"%d ", b" %d", b"%d\t", b"%d,%d", b"%d, %d", b"0x%x", b"%d.0", b"%d\n", b"%d\0",
    b"%d\xff", b"1e1", b"%019d", b"%018d", b"99999999999999999999", b"%d;", b"%d\x0b", b"\xb2", b"00%d", b"%d\r\n 1",
)  # fmt: skip
_BODIES = (
    b"{}", b'{"id": 1, "text": "some text"}', b"x" * 200, b"0", b"a" * 11, b"a" * 12,
    b"a=b&c=d", b"[1, 2, 3]", b"y" * 2_000,
    b"\r\n", b"\r\n\r\n", b"GET /api/smuggled HTTP/1.1\r\nHost: h\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DrawnRequest:
    """A request in parts, so that variants of it can be drawn. `framing` is `none`, `length` or `chunked`."""

    method: bytes
    target: bytes
    fields: tuple[Field, ...]
    body: bytes = b""
    framing: str = "none"
    length_start: bytes = b"Content-Length: "
    length: bytes | None = None
    """The value of Content-Length, if it is not the body's length."""
    line: bytes = b"%s %s HTTP/1.1"
    surplus: bytes = b""
    """Bytes after the body."""
    missing: int = 0
    """Bytes of the body that are not sent."""

    @property
    def raw(self) -> bytes:
        """Return the request in wire format."""
        lines = [self.line % (self.method, self.target), *(start + value for start, value in self.fields)]
        body = self.body
        if self.framing == "length":
            length = b"%d" % len(body) if self.length is None else self.length
            lines.insert(1 + len(self.fields) // 2, self.length_start + length)
        elif self.framing == "chunked":
            lines.append(b"Transfer-Encoding: chunked")
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        sent = body[: len(body) - self.missing] if self.missing else body
        return b"\r\n".join(lines) + b"\r\n\r\n" + sent + self.surplus

    @property
    def ends_at_rest(self) -> bool:
        """Return whether the next request on the connection is certainly read from its first byte."""
        is_framed = self.length is None and not self.missing and not self.surplus
        starts = b"\n".join(start.lower() for start, _ in self.fields)
        values = b"".join(value for _, value in self.fields)
        is_plain = not any(text in values for text in (b"\r", b"\n", b"\0")) and self.line == b"%s %s HTTP/1.1"
        has_own_framing = b"content" in starts.replace(b"content-type", b"") or b"transfer" in starts
        return (
            is_framed and is_plain and not has_own_framing and b"\r" not in self.target and b"\n" not in self.target
        )

    def changed(self, start: bytes, value: bytes) -> "DrawnRequest":
        """Return the request with another value of the fields whose lines begin with `start`, in any case."""
        lower = start.lower()
        return replace(self, fields=tuple((s, value if s.lower() == lower else v) for s, v in self.fields))


def plain_request(draw: random.Random) -> DrawnRequest:
    """Return a request as applications send them."""
    if draw.random() < 0.08:
        return _form(draw)
    method, prefix = draw.choice(_METHODS), draw.choice(PREFIXES)
    fields = [(draw.choice((b"Host: ", b"Host: ", b"host: ")), draw.choice((b"h.example", b"h.example:8443")))]
    fields += draw.sample(COMMON, draw.choice((0, 1, 2, 4, 6)))
    credentials = draw.choice(_CREDENTIALS)
    if draw.random() < 0.2:
        fields += draw.choice(NAVIGATIONS)
        method, prefix = draw.choice((b"GET", b"GET", b"HEAD")), draw.choice((b"/app/", b"/pages/", b"/api/"))
        credentials = draw.choice(("", "", "cookie", "token"))
    is_lower = draw.random() < 0.3
    if "token" in credentials:
        fields.append(
            (_start(b"Authorization: Bearer ", b"authorization: Bearer ", is_lower), TOKENS[draw.randrange(3)])
        )
    if "refresh" in credentials:
        fields.append((_start(b"X-Refresh-Token: ", b"x-refresh-token: ", is_lower), draw.choice(REFRESH)))
        fields = [(s, draw.choice(TOKENS) if b"Bearer" in s else v) for s, v in fields]
    if "cookie" in credentials:
        fields.append((_start(b"Cookie: ", b"cookie: ", is_lower), _cookie(draw)))
    if draw.random() < 0.2:
        fields.append((draw.choice((b"If-None-Match: ", b"if-none-match: ")), draw.choice(ETAGS)))
    if draw.random() < 0.2:
        fields.append((draw.choice((b"Traceparent: ", b"traceparent: ")), draw.choice(TRACES)))
    if draw.random() < 0.12:
        fields.append(draw.choice(RARE))
    if credentials and draw.random() < 0.07:
        fields.append(draw.choice([field for field in SECOND_CREDENTIALS if _has_name_of(fields, field)]))
    if draw.random() < 0.04:
        fields.append((b"Expect: ", b"100-continue"))
    if draw.random() < 0.5:
        draw.shuffle(fields)
    has_body = method in (b"POST", b"PUT", b"PATCH") or draw.random() < 0.05
    framing = draw.choice(("length", "length", "length", "length", "chunked")) if has_body else "none"
    body = draw.choice(_BODIES) if has_body and draw.random() < 0.95 else b""
    start = b"content-length: " if is_lower else b"Content-Length: "
    return DrawnRequest(method, _target(draw, prefix), tuple(fields), body, framing, start)


def _form(draw: random.Random) -> DrawnRequest:
    """Return a form that a browser sends, with or without a session."""
    fields = [(b"Host: ", b"h.example"), *draw.choice(FORMS)]
    if draw.random() < 0.8:
        fields.append((b"Cookie: ", _cookie(draw)))
    if draw.random() < 0.3:
        draw.shuffle(fields)
    return DrawnRequest(b"POST", draw.choice(_FORM_TARGETS), tuple(fields), draw.choice(_BODIES), "length")


def _has_name_of(fields: list[Field], field: Field) -> bool:
    name = field[0].lower().partition(b":")[0]
    return any(start.lower().startswith(name) for start, _ in fields)


def _start(title: bytes, lower: bytes, is_lower: bool) -> bytes:
    return lower if is_lower else title


def _target(draw: random.Random, prefix: bytes) -> bytes:
    path = prefix + draw.choice((b"", b"items", b"items/%d" % draw.randrange(1_000), b"a%20b", b"~x/y.z"))
    return path + draw.choice((b"", b"", b"?page=%d" % draw.randrange(20), b"?q=a%2Fb&sort=name"))


def _cookie(draw: random.Random) -> bytes:
    session = b"__Host-session=" + draw.choice(HANDLES)
    return draw.choice(
        (
            b"theme=dark",
            b"sallyport-session=x; app=1",
            session,
            session,
            b"theme=dark; " + session,
            session + b"; a=b",
        )
    )


def variant(draw: random.Random, request: DrawnRequest) -> DrawnRequest:
    """Return `request` with the same header section apart from credentials and Content-Length, or nearly so."""
    prefix = next((prefix for prefix in PREFIXES if request.target.startswith(prefix)), PREFIXES[0])
    kind = draw.randrange(10)
    if kind < 3:
        return replace(request, target=_target(draw, prefix))
    if kind == 3:
        return replace(request, target=_target(draw, draw.choice(PREFIXES)))
    if kind == 4 and request.framing != "none":
        return replace(request, body=draw.choice(_BODIES))
    if kind == 5:
        return replace(request, method=draw.choice(_METHODS))
    if kind == 6 and len(request.fields) > 1:
        dropped = draw.randrange(len(request.fields))
        return replace(request, fields=request.fields[:dropped] + request.fields[dropped + 1 :])
    if kind == 7:
        return request
    changed = request.changed(b"Authorization: Bearer ", draw.choice(TOKENS)).changed(b"Cookie: ", _cookie(draw))
    changed = changed.changed(b"Traceparent: ", draw.choice(TRACES)).changed(b"If-None-Match: ", draw.choice(ETAGS))
    return changed.changed(b"X-Refresh-Token: ", draw.choice(REFRESH))


def odd(draw: random.Random, request: DrawnRequest) -> DrawnRequest:
    """Return `request` with something unusual, mostly in the parts that differ between requests of one section."""
    starts = b"".join(start.lower() for start, _ in request.fields)
    kinds = [*["target", "line"] * 3, "ticket", "method", "field", "repeated", "surplus", "spelling"]
    kinds += ["token"] * 7 * (b"bearer" in starts) + ["cookie"] * 7 * (b"cookie: " in starts)
    kinds += ["refresh"] * 5 * (b"x-refresh" in starts) + ["length", "length", "length", "body"] * (
        request.framing == "length"
    )
    kinds += ["trace"] * 4 * (b"traceparent" in starts) + ["etag"] * 4 * (b"if-none-match" in starts)
    kind = draw.choice(kinds)
    if kind == "target":
        pattern = draw.choice(_ODD_TARGETS)
        return replace(request, target=pattern % request.target if b"%s" in pattern else pattern)
    if kind == "ticket":
        return replace(request, method=b"GET", target=b"/streams/x" + draw.choice(_TICKETS))
    if kind == "line":
        return replace(request, line=draw.choice(_ODD_LINES))
    if kind == "method":
        return replace(request, method=draw.choice(_ODD_METHODS))
    if kind == "field":
        return replace(request, fields=_inserted(draw, request.fields, draw.choice(RARE)))
    if kind == "repeated":
        return replace(request, fields=_inserted(draw, request.fields, draw.choice(request.fields)))
    if kind == "spelling":
        return _with_odd_spelling(draw, request)
    if kind == "surplus":
        return replace(request, surplus=draw.choice((b"x", b"\r\n", b"\n", b"\0", b"GET", request.raw)))
    if kind == "body":
        if draw.random() < 0.5:
            return replace(request, missing=draw.randrange(len(request.body) + 1))
        return replace(request, length=b"%d" % max(0, len(request.body) + draw.choice((-2, -1, 1, 2, 10))))
    if kind == "length":
        return replace(request, length=_filled(draw.choice(_ODD_LENGTHS), len(request.body)))
    patterns, start = {
        "token": (_ODD_TOKENS, b"Authorization: Bearer "),
        "cookie": (_ODD_COOKIES, b"Cookie: "),
        "refresh": (_ODD_TOKENS, b"X-Refresh-Token: "),
        "trace": (_ODD_TRACES, b"Traceparent: "),
        "etag": (_ODD_COOKIES, b"If-None-Match: "),
    }[kind]
    value = next((value for s, value in request.fields if s.lower() == start.lower()), b"")
    return request.changed(start, _filled(draw.choice(patterns), value))


def _filled(pattern: bytes, value: bytes | int) -> bytes:
    count = pattern.replace(b"%%", b"").count(b"%")
    return pattern % ((value,) * count) if count else pattern.replace(b"%%", b"%")


def _inserted(draw: random.Random, fields: tuple[Field, ...], field: Field) -> tuple[Field, ...]:
    at = draw.randrange(len(fields) + 1)
    return (*fields[:at], field, *fields[at:])


def _with_odd_spelling(draw: random.Random, request: DrawnRequest) -> DrawnRequest:
    index = draw.randrange(len(request.fields))
    start, value = request.fields[index]
    name, _, rest = start.partition(b":")
    spelled = draw.choice(
        (start.upper(), start.swapcase(), name + b":" + rest.strip(b" "), name + b" :" + rest,
         name + b":  " + rest.lstrip(b" "),
         name + b":\t" + rest.lstrip(b" "), name.replace(b"-", b"_") + b":" + rest,
         start.replace(b"Bearer ", b"Bearer  "), start.replace(b"Bearer ", b"bearer "),
         start.replace(b"Bearer ", b"Bearer\t"))
    )  # fmt: skip
    return replace(request, fields=(*request.fields[:index], (spelled, value), *request.fields[index + 1 :]))
