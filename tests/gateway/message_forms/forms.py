"""Forms of requests and responses (RFC 9112, RFC 9110) that proxies treat differently.

NUMBER is replaced by the number of the form, with as many digits, so that the upstream can tell the requests apart.
"""

from typing import NamedTuple

NUMBER = b"NNNNN"
PATH = b"/public/" + NUMBER

_GET = b"GET " + PATH + b" HTTP/1.1\r\n"
_POST = b"POST " + PATH + b" HTTP/1.1\r\nHost: h\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


def _line(line: bytes) -> bytes:
    """Return a request with this request line, in which `@` stands for the path."""
    return line.replace(b"@", PATH) + b"\r\nHost: h\r\n\r\n"


def _get(*fields: bytes) -> bytes:
    """Return a GET with these fields and no others: Host must be among them."""
    return _GET + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def _post(*fields: bytes, body: bytes = b"ab") -> bytes:
    """Return a POST with Host, these fields and `body`."""
    return _POST + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


REQUESTS: dict[str, bytes] = {
    # --- versions (RFC 9112 2.3) ---
    "version 1.1": _line(b"GET @ HTTP/1.1"),
    "version 1.0": _line(b"GET @ HTTP/1.0"),
    "version 1.0 without Host": b"GET " + PATH + b" HTTP/1.0\r\n\r\n",
    "version 1.2": _line(b"GET @ HTTP/1.2"),
    "version 2.0": _line(b"GET @ HTTP/2.0"),
    "version 3.0": _line(b"GET @ HTTP/3.0"),
    "version 0.9": _line(b"GET @ HTTP/0.9"),
    "no version": b"GET " + PATH + b"\r\n",
    "version in lower case": _line(b"GET @ http/1.1"),
    "version of three digits": _line(b"GET @ HTTP/1.10"),
    "version without a dot": _line(b"GET @ HTTP/11"),
    "version of another protocol": _line(b"GET @ ICY/1.1"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    # --- the request line (3) ---
    "two spaces before the target": _line(b"GET  @ HTTP/1.1"),
    "two spaces before the version": _line(b"GET @  HTTP/1.1"),
    "a space after the version": _line(b"GET @ HTTP/1.1 "),
    "a tab before the target": _line(b"GET\t@ HTTP/1.1"),
    "an empty line before": b"\r\n" + _line(b"GET @ HTTP/1.1"),
    "ten empty lines before": b"\r\n" * 10 + _line(b"GET @ HTTP/1.1"),
    "a bare line feed before": b"\n" + _line(b"GET @ HTTP/1.1"),
    "a space before": b" " + _line(b"GET @ HTTP/1.1"),
    "a method in lower case": _line(b"get @ HTTP/1.1"),
    "an unknown method": _line(b"BREW @ HTTP/1.1"),
    "a method with a hyphen": _line(b"M-SEARCH @ HTTP/1.1"),
    "CONNECT": _line(b"CONNECT h:443 HTTP/1.1"),
    "TRACE": _line(b"TRACE @ HTTP/1.1"),
    # --- targets (3.2) ---
    "absolute-form": _line(b"GET http://h@ HTTP/1.1"),
    "absolute-form of another host": _line(b"GET http://other@ HTTP/1.1"),
    "absolute-form with a port": _line(b"GET http://h:81@ HTTP/1.1"),
    "absolute-form of https": _line(b"GET https://h@ HTTP/1.1"),
    "absolute-form of ftp": _line(b"GET ftp://h@ HTTP/1.1"),
    "absolute-form in upper case": _line(b"GET HTTP://H@ HTTP/1.1"),
    "absolute-form with userinfo": b"GET http://u:p@h" + PATH + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "absolute-form without a host": _line(b"GET http://@ HTTP/1.1"),
    "absolute-form without Host": b"GET http://h" + PATH + b" HTTP/1.1\r\n\r\n",
    "absolute-form in 1.0 without Host": b"GET http://h" + PATH + b" HTTP/1.0\r\n\r\n",
    "absolute-form without a path": _line(b"GET http://h HTTP/1.1"),
    "absolute-form with a query alone": _line(b"GET http://h?" + NUMBER + b" HTTP/1.1"),
    "authority-form with GET": _line(b"GET h:80 HTTP/1.1"),
    "asterisk-form with OPTIONS": _line(b"OPTIONS * HTTP/1.1"),
    "asterisk-form with GET": _line(b"GET * HTTP/1.1"),
    "a relative target": _line(b"GET public/" + NUMBER + b" HTTP/1.1"),
    "an empty target": _line(b"GET  HTTP/1.1"),
    "a fragment": _line(b"GET @#f HTTP/1.1"),
    "a query": _line(b"GET @?a=b&c HTTP/1.1"),
    "an empty query": _line(b"GET @? HTTP/1.1"),
    "bytes beyond ASCII in the path": _line("GET @/é HTTP/1.1".encode()),
    "bytes beyond ASCII in the query": _line("GET @?é HTTP/1.1".encode()),
    "UTF-8 percent-encoded": _line(b"GET @/%C3%A9 HTTP/1.1"),
    "overlong UTF-8 percent-encoded": _line(b"GET @/%c0%af HTTP/1.1"),
    "an encoded slash": _line(b"GET @/a%2fb HTTP/1.1"),
    "an encoded dot segment": _line(b"GET @/a/%2e%2e/b HTTP/1.1"),
    "a dot segment": _line(b"GET @/a/../b HTTP/1.1"),
    "two slashes": _line(b"GET @//b HTTP/1.1"),
    "a backslash": _line(b"GET @\\b HTTP/1.1"),
    "an encoded NUL": _line(b"GET @/%00 HTTP/1.1"),
    "an encoded letter": _line(b"GET @/%61 HTTP/1.1"),
    "a bad escape": _line(b"GET @/%zz HTTP/1.1"),
    "path parameters": _line(b"GET @/a;b=c HTTP/1.1"),
    "a quote and a bar": _line(b'GET @/"|<> HTTP/1.1'),
    "a control character in the target": _line(b"GET @/\x01 HTTP/1.1"),
    # --- Host (3.2, RFC 9110 7.2) ---
    "no Host": _get(),
    "an empty Host": _get(b"Host:"),
    "two Hosts": _get(b"Host: h", b"Host: i"),
    "the same Host twice": _get(b"Host: h", b"Host: h"),
    "Host with a port": _get(b"Host: h:8080"),
    "Host with an empty port": _get(b"Host: h:"),
    "Host with a port of letters": _get(b"Host: h:x"),
    "Host with a port beyond 65535": _get(b"Host: h:99999"),
    "Host is an IPv6 address": _get(b"Host: [::1]"),
    "Host is an IPv6 address with a port": _get(b"Host: [2001:db8::1]:80"),
    "Host is an IPv6 address without brackets": _get(b"Host: ::1"),
    "Host is half a bracket": _get(b"Host: [::1"),
    "Host with userinfo": _get(b"Host: u@h"),
    "Host with a path": _get(b"Host: h/a"),
    "Host with a comma": _get(b"Host: h,i"),
    "Host with a space": _get(b"Host: a b"),
    "Host with a space after it": _get(b"Host: h "),
    "Host with an underscore": _get(b"Host: a_b"),
    "Host in upper case": _get(b"Host: EXAMPLE.org"),
    "Host with a closing dot": _get(b"Host: example.org."),
    "Host beyond ASCII": _get(b"Host: \xc3\xa9"),
    # --- fields (5) ---
    "white space before a colon": _get(b"Host: h", b"X : y"),
    "white space before Host's colon": _get(b"Host : h"),
    "an empty name": _get(b"Host: h", b": y"),
    "no colon": _get(b"Host: h", b"X"),
    "a folded line": _get(b"Host: h", b"X: a", b" b"),
    "a folded first line": _GET + b" Host: h\r\n\r\n",
    "a bare carriage return in a value": _get(b"Host: h", b"X: a\rb"),
    "a bare line feed between fields": _GET + b"Host: h\nX: y\r\n\r\n",
    "bare line feeds throughout": b"GET " + PATH + b" HTTP/1.1\nHost: h\n\n",
    "NUL in a value": _get(b"Host: h", b"X: a\0b"),
    "a vertical tab in a value": _get(b"Host: h", b"X: a\x0bb"),
    "DEL in a value": _get(b"Host: h", b"X: a\x7fb"),
    "bytes beyond ASCII in a value": _get(b"Host: h", b"X: \xe9"),
    "an underscore in a name": _get(b"Host: h", b"X_Y: z"),
    "a dot in a name": _get(b"Host: h", b"X.Y: z"),
    "token characters in a name": _get(b"Host: h", b"!#$%&'*+^`|~: z"),
    "a name beyond ASCII": _get(b"Host: h", b"X\xe9: z"),
    "a slash in a name": _get(b"Host: h", b"X/Y: z"),
    "empty elements in Connection": _get(b"Host: h", b"Connection: ,, keep-alive ,"),
    "Connection names Host": _get(b"Host: h", b"Connection: close, host"),
    "Via twice": _get(b"Host: h", b"Via: 1.0 a", b"Via: , 1.1 b,"),
    "TE in a list": _get(b"Host: h", b"TE: trailers, deflate;q=0.5", b"Connection: te"),
    "two Content-Types": _post(b"Content-Type: a/b", b"Content-Type: c/d", b"Content-Length: 2"),
    # --- Expect (RFC 9110 10.1.1) ---
    "Expect 100-continue": _post(b"Expect: 100-continue", b"Content-Length: 2"),
    "Expect in upper case": _post(b"Expect: 100-CONTINUE", b"Content-Length: 2"),
    "Expect with a space after it": _post(b"Expect: 100-continue ", b"Content-Length: 2"),
    "Expect something else": _post(b"Expect: 200-ok", b"Content-Length: 2"),
    "Expect twice": _post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 2"),
    "Expect in a list": _post(b"Expect: 100-continue, 100-continue", b"Content-Length: 2"),
    "Expect without a body": _get(b"Host: h", b"Expect: 100-continue"),
    "Expect in 1.0": b"POST " + PATH + b" HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
    # --- Content-Length (6.2) ---
    "a length": _post(b"Content-Length: 2"),
    "a length with a space after it": _post(b"Content-Length: 2 "),
    "a length with zeros": _post(b"Content-Length: 002"),
    "the same length twice": _post(b"Content-Length: 2", b"Content-Length: 2"),
    "two lengths": _post(b"Content-Length: 2", b"Content-Length: 3"),
    "a list of equal lengths": _post(b"Content-Length: 2, 2"),
    "a list of different lengths": _post(b"Content-Length: 2, 3"),
    "a length with a sign": _post(b"Content-Length: +2"),
    "a negative length": _post(b"Content-Length: -2"),
    "a hexadecimal length": _post(b"Content-Length: 0x2"),
    "a length with a fraction": _post(b"Content-Length: 2.0"),
    "an empty length": _post(b"Content-Length:"),
    "a length of twenty digits": _post(b"Content-Length: 99999999999999999999"),
    "a length with a vertical tab": _post(b"Content-Length: 2\x0b"),
    "a length with GET": _get(b"Host: h", b"Content-Length: 2") + b"ab",
    # --- Transfer-Encoding (6.1) ---
    "chunked": _post(b"Transfer-Encoding: chunked", body=_END),
    "chunked in upper case": _post(b"Transfer-Encoding: CHUNKED", body=_END),
    "chunked with a space after it": _post(b"Transfer-Encoding: chunked ", body=_END),
    "chunked with a tab after it": _post(b"Transfer-Encoding: chunked\t", body=_END),
    "chunked with GET": _get(b"Host: h", b"Transfer-Encoding: chunked") + _END,
    "chunked twice": _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=_END),
    "chunked twice in a list": _post(b"Transfer-Encoding: chunked, chunked", body=_END),
    "gzip, chunked": _post(b"Transfer-Encoding: gzip, chunked", body=_END),
    "chunked, gzip": _post(b"Transfer-Encoding: chunked, gzip", body=_END),
    "gzip": _post(b"Transfer-Encoding: gzip", body=_END),
    "identity": _post(b"Transfer-Encoding: identity", body=_END),
    "identity, chunked": _post(b"Transfer-Encoding: identity, chunked", body=_END),
    "identity with a length": _post(b"Transfer-Encoding: identity", b"Content-Length: 2"),
    "x-chunked": _post(b"Transfer-Encoding: x-chunked", body=_END),
    "chunked with a parameter": _post(b"Transfer-Encoding: chunked;a=b", body=_END),
    "chunked in quotes": _post(b'Transfer-Encoding: "chunked"', body=_END),
    "an empty coding": _post(b"Transfer-Encoding:", body=_END),
    "an empty element and chunked": _post(b"Transfer-Encoding: , chunked", body=_END),
    "chunked and a length": _post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=_END),
    "a length and chunked": _post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=_END),
    "chunked in 1.0": b"POST " + PATH + b" HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + _END,
    # --- chunks (7.1) ---
    "a chunk": _CHUNKED + b"2\r\nab\r\n" + _END,
    "a chunk size in upper case": _CHUNKED + b"A\r\nabcdefghij\r\n" + _END,
    "a chunk size with zeros": _CHUNKED + b"0002\r\nab\r\n" + _END,
    "a chunk size with thirty zeros": _CHUNKED + b"0" * 30 + b"2\r\nab\r\n" + _END,
    "a chunk size with 0x": _CHUNKED + b"0x2\r\nab\r\n" + _END,
    "a chunk size with a sign": _CHUNKED + b"+2\r\nab\r\n" + _END,
    "a chunk size beyond 64 bits": _CHUNKED + b"fffffffffffffffff\r\nab\r\n" + _END,
    "a space after the chunk size": _CHUNKED + b"2 \r\nab\r\n" + _END,
    "an extension": _CHUNKED + b"2;a=b\r\nab\r\n" + _END,
    "a quoted extension": _CHUNKED + b'2;a="b;c"\r\nab\r\n' + _END,
    "an extension with spaces": _CHUNKED + b"2 ; a = b\r\nab\r\n" + _END,
    "an extension without a name": _CHUNKED + b"2;\r\nab\r\n" + _END,
    "a bare line feed in an extension": _CHUNKED + b"2;a\nb\r\nab\r\n" + _END,
    "a bare line feed after the chunk size": _CHUNKED + b"2\nab\r\n" + _END,
    "a bare line feed after a chunk": _CHUNKED + b"2\r\nab\n" + _END,
    "a chunk longer than its size": _CHUNKED + b"2\r\nabc\r\n" + _END,
    "a trailer": _CHUNKED + b"2\r\nab\r\n0\r\nX: y\r\n\r\n",
    "Content-Length in a trailer": _CHUNKED + b"2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\n",
    "Host in a trailer": _CHUNKED + b"2\r\nab\r\n0\r\nHost: evil\r\n\r\n",
    "a malformed trailer": _CHUNKED + b"2\r\nab\r\n0\r\nX y\r\n\r\n",
    # --- upgrades (RFC 9110 7.8) ---
    "an upgrade to h2c": _get(
        b"Host: h", b"Connection: upgrade, http2-settings", b"Upgrade: h2c", b"HTTP2-Settings: AA"
    ),
    "an upgrade with a body": _post(b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 2"),
    "Connection upgrade alone": _post(b"Connection: upgrade", b"Content-Length: 2"),
}


class ResponseForm(NamedTuple):
    """The response of a service to a request of `method`; if `closes`, the service then closes the connection."""

    raw: bytes
    method: str = "GET"
    closes: bool = False


def _ok(*fields: bytes, body: bytes = b"ok", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


_LENGTH = b"Content-Length: 2"
_OK_CHUNKS = b"2\r\nok\r\n0\r\n\r\n"

RESPONSES: dict[str, ResponseForm] = {
    # --- the status line (4) ---
    "status 200": ResponseForm(_ok(_LENGTH)),
    "no reason phrase": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 200 ")),
    "neither reason phrase nor space": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 200")),
    "a reason phrase beyond ASCII": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 200 \xc3\xa9")),
    "an unknown status": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 299 Odd")),
    "status 600": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 600 Odd")),
    "status 999": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 999 Odd")),
    "status 099": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 099 Odd")),
    "status of two digits": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 20 OK")),
    "status of four digits": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 2000 OK")),
    "status of letters": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 abc OK")),
    "version 1.0": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.0 200 OK")),
    "version 1.0 until the end": ResponseForm(_ok(line=b"HTTP/1.0 200 OK"), closes=True),
    "version 1.2": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.2 200 OK")),
    "version 2.0": ResponseForm(_ok(_LENGTH, line=b"HTTP/2.0 200 OK")),
    "version in lower case": ResponseForm(_ok(_LENGTH, line=b"http/1.1 200 OK")),
    "another protocol": ResponseForm(_ok(_LENGTH, line=b"ICY 200 OK")),
    "no status line": ResponseForm(b"ok", closes=True),
    "nothing at all": ResponseForm(b"", closes=True),
    "an empty line before": ResponseForm(b"\r\n" + _ok(_LENGTH)),
    # --- fields (5) ---
    "white space around a value": ResponseForm(_ok(b"Content-Length: 2 ", b"X:\t a \t")),
    "white space before a colon": ResponseForm(_ok(b"X : y", _LENGTH)),
    "a folded line": ResponseForm(_ok(b"X: a", b" b", _LENGTH)),
    "no colon": ResponseForm(_ok(b"X", _LENGTH)),
    "an empty name": ResponseForm(_ok(b": y", _LENGTH)),
    "a bare carriage return": ResponseForm(_ok(b"X: a\rb", _LENGTH)),
    "bare line feeds": ResponseForm(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    "NUL in a value": ResponseForm(_ok(b"X: a\0b", _LENGTH)),
    "an underscore in a name": ResponseForm(_ok(b"X_Y: z", _LENGTH)),
    # --- framing (6) ---
    "until the end": ResponseForm(_ok(), closes=True),
    "the same length twice": ResponseForm(_ok(_LENGTH, _LENGTH)),
    "a list of equal lengths": ResponseForm(_ok(b"Content-Length: 2, 2")),
    "two lengths": ResponseForm(_ok(_LENGTH, b"Content-Length: 3")),
    "a length with a sign": ResponseForm(_ok(b"Content-Length: +2")),
    "a length with zeros": ResponseForm(_ok(b"Content-Length: 02")),
    "an empty length": ResponseForm(_ok(b"Content-Length:"), closes=True),
    "a body shorter than its length": ResponseForm(_ok(b"Content-Length: 5"), closes=True),
    "a body longer than its length": ResponseForm(_ok(_LENGTH, body=b"ok, and more")),
    "chunked": ResponseForm(_ok(b"Transfer-Encoding: chunked", body=_OK_CHUNKS)),
    "chunked twice": ResponseForm(_ok(b"Transfer-Encoding: chunked, chunked", body=_OK_CHUNKS)),
    "gzip, chunked": ResponseForm(_ok(b"Transfer-Encoding: gzip, chunked", body=_OK_CHUNKS)),
    "gzip": ResponseForm(_ok(b"Transfer-Encoding: gzip"), closes=True),
    "identity": ResponseForm(_ok(b"Transfer-Encoding: identity"), closes=True),
    "identity with a length": ResponseForm(_ok(b"Transfer-Encoding: identity", _LENGTH)),
    "x-chunked": ResponseForm(_ok(b"Transfer-Encoding: x-chunked", body=_OK_CHUNKS), closes=True),
    "chunked with a parameter": ResponseForm(_ok(b"Transfer-Encoding: chunked;a=b", body=_OK_CHUNKS), closes=True),
    "chunked and a length": ResponseForm(_ok(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=_OK_CHUNKS)),
    "chunked in 1.0": ResponseForm(
        _ok(b"Transfer-Encoding: chunked", body=_OK_CHUNKS, line=b"HTTP/1.0 200 OK"), closes=True
    ),
    "an extension": ResponseForm(_ok(b"Transfer-Encoding: chunked", body=b"2;a=b\r\nok\r\n0\r\n\r\n")),
    "a trailer": ResponseForm(_ok(b"Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\nX: y\r\n\r\n")),
    "a chunk size that is not a number": ResponseForm(
        _ok(b"Transfer-Encoding: chunked", body=b"zz\r\nok\r\n0\r\n\r\n")
    ),
    "chunks without an end": ResponseForm(_ok(b"Transfer-Encoding: chunked", body=b"2\r\nok\r\n"), closes=True),
    # --- responses without a body (6.3) ---
    "HEAD": ResponseForm(_ok(_LENGTH, body=b""), "HEAD"),
    "HEAD with a body": ResponseForm(_ok(_LENGTH), "HEAD"),
    "HEAD with chunks": ResponseForm(_ok(b"Transfer-Encoding: chunked", body=_OK_CHUNKS), "HEAD"),
    "204": ResponseForm(_ok(body=b"", line=b"HTTP/1.1 204 No Content")),
    "204 with a body": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 204 No Content")),
    "204 with chunks": ResponseForm(
        _ok(b"Transfer-Encoding: chunked", body=_OK_CHUNKS, line=b"HTTP/1.1 204 No Content")
    ),
    "205 with a body": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 205 Reset Content")),
    "304": ResponseForm(_ok(body=b"", line=b"HTTP/1.1 304 Not Modified")),
    "304 with a length": ResponseForm(_ok(_LENGTH, body=b"", line=b"HTTP/1.1 304 Not Modified")),
    "304 with a body": ResponseForm(_ok(_LENGTH, line=b"HTTP/1.1 304 Not Modified")),
    # --- interim responses (RFC 9110 15.2) ---
    "100 before": ResponseForm(b"HTTP/1.1 100 Continue\r\n\r\n" + _ok(_LENGTH)),
    "102 before": ResponseForm(b"HTTP/1.1 102 Processing\r\n\r\n" + _ok(_LENGTH)),
    "103 before": ResponseForm(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _ok(_LENGTH)),
    "103 with a length before": ResponseForm(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n" + _ok(_LENGTH)),
    "an unsolicited 101": ResponseForm(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw", closes=True
    ),
}
