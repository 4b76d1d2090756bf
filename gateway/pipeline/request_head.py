"""Builds the head of an upstream request, from nothing, and refuses to build one that would say more than it should.

The head is written by hand, so every line ends itself, and what came from a client is searched for CR, LF and
NUL beforehand: a header that broke its line would become a second request, in our name.
"""

from dataclasses import dataclass
from functools import lru_cache

from contract.fetched import FETCHED_HEADER
from contract.problems import Refused
from gateway.http.forwarded import forwarded_value
from gateway.http.request_headers import RequestFields, without_named
from gateway.routing.header_overrides import HeaderOverrides
from gateway.routing.routes import HOST_CLIENT, HOST_UPSTREAM


@dataclass(frozen=True, slots=True)
class HeadTemplate:
    """What of an upstream request's head is the same for everybody who asks for the same thing."""

    request_line: bytes
    host_line: bytes | None
    """The Host that the upstream is sent; None for that of its address."""
    copied: bytes
    host: bytes | None
    via: bytes
    framing: bytes

    def told(self, client: str, scheme: str, request_id: str) -> bytes:
        """The lines that say who sent it."""
        return b"X-Request-Id: %b\r\n%b" % (request_id.encode("ascii"), _provenance_lines(self.host, client, scheme))

    def fill(self, host_line: bytes, told: bytes, identity: bytes) -> bytes:
        """The whole head of one request, ended, of blocks of ended lines. `host_line` is that of the address."""
        return b"".join(
            (self.request_line, self.host_line or host_line, self.copied, told, self.via, identity, self.framing)
        )


def head_template(
    *,
    method: str,
    path: bytes,
    query: bytes,
    fields: RequestFields,
    via: bytes,
    with_credentials: bool,
    fixed: HeaderOverrides | None = None,
    host: str = HOST_UPSTREAM,
) -> HeadTemplate:
    """The head that forwards a request, but for who sent it. `via` is an ended line, `fixed` what the route says.

    Raises Refused(400).
    """
    lines = fields.lines if fixed is None else without_named(fields.lines, fixed.names)
    if with_credentials:
        lines = [*lines, *_credential_lines(fields)]
    # Of four parts a line, the ends are ours; a fifth line end can only have come from outside.
    copied = b"".join(lines)
    if copied.count(b"\n") * 4 != len(lines) or copied.count(b"\r") * 4 != len(lines) or b"\0" in copied:
        raise Refused("bad_header", "A header value holds a line end or NUL.")
    if fixed is not None:
        copied += fixed.lines
    target = path + b"?" + query if query else path
    framing = _framing_line(fields)
    if fields.traceparent is not None:
        framing += b"traceparent: " + fields.traceparent + b"\r\n"
    if fields.max_forwards is not None:
        framing += b"Max-Forwards: %d\r\n" % _forwards_left(method, fields.max_forwards)
    request_line = method.encode("ascii") + b" " + target + b" HTTP/1.1\r\n"
    return HeadTemplate(request_line, _host_line(host, fields.host), copied, fields.host, via, framing + b"\r\n")


def _host_line(host: str, asked: bytes | None) -> bytes | None:
    # `asked` is well-formed: read_request_fields refuses any other.
    if host == HOST_UPSTREAM or (host == HOST_CLIENT and not asked):  # HTTP/1.0 need not name a host
        return None
    return b"Host: %b\r\n" % (asked if host == HOST_CLIENT and asked else host.encode("ascii"))


def _forwards_left(method: str, max_forwards: int) -> int:
    # RFC 9110 7.6.2: it counts for OPTIONS and TRACE, and TRACE is never forwarded.
    return max(0, max_forwards - 1) if method == "OPTIONS" else max_forwards


def _credential_lines(fields: RequestFields) -> list[bytes]:
    lines: list[bytes] = []
    if fields.authorization is not None:
        lines += (b"Authorization", b": ", fields.authorization, b"\r\n")
    if fields.fetched_seal:
        lines += (FETCHED_HEADER.encode("ascii"), b": ", fields.fetched_seal.encode("ascii"), b"\r\n")
    if fields.cookies:
        lines += (b"Cookie", b": ", b"; ".join(fields.cookies), b"\r\n")
    return lines


@lru_cache(4_096)  # a client sends many requests, and these lines are the same in all of them
def _provenance_lines(host: bytes | None, client: str, scheme: str) -> bytes:
    name = host.decode("ascii") if host else ""
    lines = [
        f"X-Forwarded-For: {client}",
        f"X-Forwarded-Proto: {scheme}",
        *([f"X-Forwarded-Host: {name}"] if name else []),
        f"Forwarded: {forwarded_value(client, scheme, name)}",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _framing_line(fields: RequestFields) -> bytes:
    if fields.chunked:
        return b"Transfer-Encoding: chunked\r\n"
    if fields.content_length is not None:
        return b"Content-Length: %d\r\n" % fields.content_length
    return b""
