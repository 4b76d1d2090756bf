"""Build the head of an upstream request.

The head of the client's request is not copied as a whole: its fields are parsed, selected and written again. A value
from a client must not contain CR, LF or NUL, with which it could add header lines or a second request.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from contract.fetched_token import FETCHED_TOKEN_HEADER
from contract.problems import Refused
from gateway.http.forwarded import forwarded_value
from gateway.http.request_headers import RequestFields, without_fields
from gateway.http.response_headers import sets_own_cookie
from gateway.routing.header_overrides import HeaderOverrides
from gateway.routing.routes import HOST_CLIENT, HOST_UPSTREAM

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""The form of a traceparent (W3C Trace Context 3.2). Another value is not forwarded."""


@dataclass(frozen=True, slots=True)
class HeadTemplate:
    """The part of an upstream request's head that requests with one header section share. It has no credentials."""

    host_line: bytes | None
    """The Host line; None if the upstream gets the authority of its own address."""
    copied: bytes
    """The lines that are copied from the client's request, and those that the route sets."""
    host: bytes | None
    """The value of Host in the client's request."""
    via: bytes
    """The Via line."""
    end: bytes
    """Max-Forwards, and the empty line that ends the head."""

    def with_copied(self, copied: bytes) -> "HeadTemplate":
        """Return the template with other copied lines."""
        return HeadTemplate(self.host_line, copied, self.host, self.via, self.end)


def head_template(
    *,
    method: str,
    fields: RequestFields,
    via: bytes,
    overrides: HeaderOverrides | None = None,
    withheld: Collection[bytes] = (),
    host: str = HOST_UPSTREAM,
) -> HeadTemplate:
    """Return the template for a request. Raises Refused(400).

    `via` is the complete Via line, `overrides` are the fields that the route sets, `withheld` are the names of other
    fields that are not copied, `host` is `Upstream.host`.
    """
    lines = without_fields(fields.lines, withheld) if withheld else fields.lines
    if overrides is not None:
        lines = without_fields(lines, overrides.names)
    copied = _joined(lines)
    if overrides is not None:
        copied += overrides.lines
    end = b""
    if fields.max_forwards is not None:
        end += b"Max-Forwards: %d\r\n" % _next_max_forwards(method, fields.max_forwards)
    return HeadTemplate(_host_line(host, fields.host), copied, fields.host, via, end + b"\r\n")


def request_line(method: str, path: bytes, query: bytes) -> bytes:
    """Return the request line to the upstream. `path` and `query` contain visible ASCII characters only."""
    if query:
        return b"%b %b?%b HTTP/1.1\r\n" % (method.encode(), path, query)
    return b"%b %b HTTP/1.1\r\n" % (method.encode(), path)


def own_lines(content_length: int | None, traceparent: bytes | None, *, chunked: bool = False) -> bytes:
    """Return the lines that differ between requests with one header section: the body's framing and traceparent.

    Empty if neither a length nor chunks were announced, and `traceparent` is None or malformed.
    """
    lines = b""
    if chunked:
        lines = b"Transfer-Encoding: chunked\r\n"
    elif content_length is not None:
        lines = b"Content-Length: %d\r\n" % content_length
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        lines += b"traceparent: " + traceparent + b"\r\n"
    return lines


def credential_lines(authorization: bytes | None, cookies: Sequence[bytes], fetched_token_mac: str = "") -> bytes:
    """Return the header lines with credentials for the auth service. Raises Refused(400).

    `fetched_token_mac` proves that the gateway fetched the token in `authorization`; empty if the client sent it.
    """
    lines: list[bytes] = []
    if authorization is not None:
        lines += (b"Authorization", b": ", authorization, b"\r\n")
    if fetched_token_mac:
        lines += (FETCHED_TOKEN_HEADER.encode("ascii"), b": ", fetched_token_mac.encode("ascii"), b"\r\n")
    if cookies:
        lines += (b"Cookie", b": ", b"; ".join(cookies), b"\r\n")
    return _joined(lines)


def app_cookie_lines(cookies: Sequence[bytes]) -> bytes:
    """Return the Cookie line with `cookies` for an app, without those of the gateway. Raises Refused(400)."""
    return credential_lines(None, [cookie for cookie in cookies if not sets_own_cookie(cookie)])


def _joined(lines: Sequence[bytes]) -> bytes:
    """Join `lines`: name, colon, value, line end of each. Raises Refused(400) for a line end or NUL in a value."""
    joined = b"".join(lines)
    if joined.count(b"\n") * 4 != len(lines) or joined.count(b"\r") * 4 != len(lines) or b"\0" in joined:
        raise Refused("bad_header", "A header value holds a line end or NUL.")
    return joined


def _host_line(host: str, client_host: bytes | None) -> bytes | None:
    # `client_host` is valid: read_request_fields refuses an invalid Host.
    if host == HOST_UPSTREAM or (host == HOST_CLIENT and not client_host):  # HTTP/1.0 does not require a Host
        return None
    return b"Host: %b\r\n" % (client_host if host == HOST_CLIENT and client_host else host.encode("ascii"))


def _next_max_forwards(method: str, max_forwards: int) -> int:
    # RFC 9110 7.6.2: it is defined for OPTIONS and TRACE, and TRACE is never forwarded.
    return max(0, max_forwards - 1) if method == "OPTIONS" else max_forwards


@lru_cache(4_096)  # the same for all requests of a client to one host
def forwarding_lines(host: bytes | None, client: str, scheme: str) -> bytes:
    """Return X-Forwarded-* and Forwarded, as complete lines. `host` is the Host of the client's request."""
    name = host.decode("ascii") if host else ""
    lines = [
        f"X-Forwarded-For: {client}",
        f"X-Forwarded-Proto: {scheme}",
        *([f"X-Forwarded-Host: {name}"] if name else []),
        f"Forwarded: {forwarded_value(client, scheme, name)}",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
