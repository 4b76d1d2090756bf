"""Generated responses of a service: plain ones, variants with other values, and odd ones."""

import random
from dataclasses import dataclass, replace

_STATUS_LINES = (b"HTTP/1.1 200 OK",) * 6 + (
    b"HTTP/1.1 201 Created",
    b"HTTP/1.1 404 Not Found",
    b"HTTP/1.1 401 Unauthorized",
)
_ODD_STATUS_LINES = (
    b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 302 Found", b"HTTP/1.1 500 Oops",
    b"HTTP/1.1 503 Busy", b"HTTP/1.1 299 ", b"HTTP/1.1 200", b"HTTP/1.1 200 \xff", b"HTTP/1.1 200 a\tb",
    b"HTTP/1.0 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1 200  OK", b"HTTP/1.1 099 Low",
    b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 100 Continue", b"HTTP/1.1 600 High", b"HTTP/1.1 999 High",
    b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/2 200 OK", b"HTTP/1.2 200 OK", b"ICE/1.1 200 OK",
    b"http/1.1 200 OK", b"HTTP/1.1 205 Reset Content", b"HTTP/1.1 200 OK\r", b"HTTP/1.1 408 Request Timeout",
    b"HTTP/1.1 +20 OK",
)  # fmt: skip
_LINES = (
    b"Server: nginx", b"Date: Sat, 28 Nov 2026 10:00:00 GMT", b"Content-Type: application/json",
    b"Connection: keep-alive", b"Cache-Control: no-cache", b"Vary: Accept", b"vary: Origin", b"X-Powered-By: Flask",
    b"Keep-Alive: timeout=5", b"Last-Modified: Sat, 28 Nov 2026 09:00:00 GMT", b"X-Thing: one", b"X-Thing: two",
    b"X-Total-Count: 12",
)  # fmt: skip
_ODD_LINES = (
    b"Connection: close", b"connection: Close", b"Connection: keep-alive, X-Thing", b"Connection: X-Thing",
    b"Connection: Keep-Alive", b"Connection: upgrade", b"Upgrade: h2c", b"Connection:", b"Connection: keep-alive ",
    b"Proxy-Connection: close", b"Set-Cookie: a=b", b"Set-Cookie: __Host-session=stolen", b"set-cookie: c=d; Path=/",
    b"Location: /elsewhere", b"Location: http://192.0.2.20:8000/x", b"location: //192.0.2.20:8000/y",
    b"Content-Location: /x", b"Refresh: 0; url=/x", b"X-Identity-Refused: audience", b"X-Access-Token: t",
    b"x-user-id: root", b"X-Sendfile: /etc/passwd", b"X-Request-Id: theirs", b"Access-Control-Allow-Origin: *",
    b"X-Empty:", b"X-Empty: ", b"X-Spaces:   a", b"X-Trailing: a  ", b"X-Tab: a\tb", b"X-Tab:\ta", b"X-Text: \xe9",
    b"X-Control: a\x01", b"X-Nul: a\0b", b"X-Cr: a\rb", b"X-Lf: a\nb", b"X-Fold: a\r\n b", b"X-Colon : a",
    b" X-Start: a", b"No-Colon", b": empty", b"X@Name: a", b"X_Name: a", b"X.Name: a", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"transfer-encoding: identity", b"Content_Length: 3",
    b"X-Content-Length: 3", b"X-Inner: content-length: 3", b"X-Colons: a: b: c", b"Trailer: X", b"X-Del: a\x7f",
    b"Content-Length: 3", b"content-length: 0", b"X-Content-length: 2", b"Strict-Transport-Security: max-age=1",
    b"X-Colon:no-space", b"Content-Type: text/event-stream", b"HTTP/1.1 200 OK", b"X-" + b"n" * 300 + b": a",
    b"X-Long: " + b"v" * 5_000,
)  # fmt: skip
_ODD_LENGTHS = (
    b"0%d", b"+%d", b"-%d", b"%d ", b" %d", b"%d\t", b"%d, %d", b"%d,%d", b"0x%x", b"%d\r\nContent-Length: %d",
    b"%d\ncontent-length: 0", b"%d\xff", b"", b"%d.0", b"99999999999999999999999", b"\xb2", b"%d\x0b", b"000%d",
    b"%d;",
)  # fmt: skip
_BODIES = (
    b"ok", b'{"id": 1, "text": "some text"}', b"x" * 300, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"\r\n\r\n", b"abc", b"content-length: 3\r\n\r\n",
)  # fmt: skip
_ODD_KINDS = (
    *("status",) * 3, *("line",) * 4, *("length",) * 2, "size", "surplus", "interim", "closes", "repeated", "refused",
    "cookie",
)  # fmt: skip
_SESSION_CHANGES = (
    b"X-Session-Change: opened 1000", b"x-session-change: ended", b"X-Session-Change: opened", b"X-Session-Change:",
    b"X_Session_Change: ended", b"Set-Cookie: __Host-session=stolen",
)  # fmt: skip
_NAMES = (b"Content-Length: ", b"Content-Length: ", b"Content-Length: ", b"content-length: ", b"CONTENT-LENGTH: ")


@dataclass(frozen=True, slots=True)
class DrawnResponse:
    """A response in parts, so that variants of it can be drawn."""

    status_line: bytes
    lines: tuple[bytes, ...]
    body: bytes
    etag: int | None = None
    framing: str = "length"
    """`length`, `chunked` or `close`."""
    length_start: bytes = b"Content-Length: "
    length: bytes | None = None
    """The value of Content-Length, if it is not the body's length."""
    surplus: bytes = b""
    interim: bytes = b""
    missing: int = 0
    """Bytes of the body that are not sent."""
    closes: bool = False
    """Whether the service closes the connection after the response."""

    @property
    def is_short(self) -> bool:
        """Return whether the body is shorter than its Content-Length."""
        length = len(self.body) if self.length is None or not self.length.isdigit() else int(self.length)
        return self.framing == "length" and length > len(self.body) - self.missing

    def raw(self, method: bytes) -> bytes:
        """Return the response to a request with `method`, in wire format."""
        lines = [self.status_line, *self.lines]
        if self.etag is not None:
            lines.append(b'ETag: "%d"' % self.etag)
        body = self.body
        if self.framing == "length":
            length = b"%d" % len(body) if self.length is None else self.length
            lines.insert(1 + len(self.lines) // 2, self.length_start + length)
        elif self.framing == "chunked":
            lines.append(b"Transfer-Encoding: chunked")
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        has_body = method != b"HEAD" and b" 204 " not in self.status_line and b" 304 " not in self.status_line
        sent = body[: len(body) - self.missing] if has_body else b""
        return self.interim + b"\r\n".join(lines) + b"\r\n\r\n" + sent + self.surplus


def plain_response(draw: random.Random) -> DrawnResponse:
    """Return a response as services send them."""
    lines = draw.sample(_LINES, draw.choice((1, 2, 4, 6)))
    etag = draw.randrange(1_000) if draw.random() < 0.5 else None
    framing = draw.choice(("length",) * 8 + ("chunked", "close"))
    return DrawnResponse(
        draw.choice(_STATUS_LINES),
        tuple(lines),
        draw.choice(_BODIES),
        etag,
        framing,
        draw.choice(_NAMES),
        closes=framing == "close",
    )


def response_variant(draw: random.Random, response: DrawnResponse) -> DrawnResponse:
    """Return `response` with other values, mostly in the same lines."""
    kind = draw.randrange(6)
    if kind < 2 and response.etag is not None:
        return replace(response, etag=draw.randrange(1_000))
    if kind < 4:
        return replace(response, body=draw.choice(_BODIES))
    if kind == 4:
        return replace(response, status_line=draw.choice(_STATUS_LINES))
    return response


def with_session_change(draw: random.Random, response: DrawnResponse) -> DrawnResponse:
    """Return the auth service's response to a form that opens or ends a session, or one that looks like it."""
    status_line = draw.choice((b"HTTP/1.1 303 See Other",) * 3 + (b"HTTP/1.1 200 OK",))
    changes = draw.sample(_SESSION_CHANGES, draw.choice((1, 1, 1, 2)))
    return replace(response, status_line=status_line, lines=(*response.lines, b"Location: /app/", *changes))


def odd_response(draw: random.Random, response: DrawnResponse) -> DrawnResponse:
    """Return `response` with something unusual."""
    kind = draw.choice(_ODD_KINDS)
    if kind == "cookie":
        cookies = (b"Set-Cookie: a=b", b"set-cookie: c=d; Path=/", b"Set-Cookie: __Host-session=stolen")
        return replace(response, lines=(*response.lines, *draw.sample(cookies, draw.choice((1, 2)))))
    if kind == "refused":
        line = b"X-Identity-Refused: audience"
        return replace(response, status_line=b"HTTP/1.1 401 Unauthorized", lines=(*response.lines, line))
    if kind == "status":
        return replace(response, status_line=draw.choice(_ODD_STATUS_LINES))
    if kind == "line":
        at = draw.randrange(len(response.lines) + 1)
        return replace(response, lines=(*response.lines[:at], draw.choice(_ODD_LINES), *response.lines[at:]))
    if kind == "length":
        pattern = draw.choice(_ODD_LENGTHS)
        return replace(response, framing="length", length=pattern % ((len(response.body),) * pattern.count(b"%")))
    if kind == "size":
        if draw.random() < 0.5:
            return replace(response, missing=draw.randrange(len(response.body) + 1), closes=draw.random() < 0.5)
        return replace(
            response, framing="length", length=b"%d" % max(0, len(response.body) + draw.choice((-2, -1, 1, 2)))
        )
    if kind == "surplus":
        return replace(
            response, surplus=draw.choice((b"x", b"\r\n", b"\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        )
    if kind == "interim":
        return replace(
            response,
            interim=draw.choice(
                (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            ),
        )
    if kind == "closes":
        return replace(response, closes=True)
    return replace(response, lines=(*response.lines, draw.choice(response.lines)))
