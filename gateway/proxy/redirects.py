"""Rewrites the URLs in an answer's header that name the service, so that the client finds them at the gateway.

`Location`, `Content-Location` and `Refresh`, as nginx's proxy_redirect and Apache's ProxyPassReverse do. A URL that
names the service's address, or the host that the client asked for, becomes a path: that is right whatever scheme and
host the client sees. So does a URL with the client's host and the service's port, as nginx redirects to
directories. A URL of another host stays as it is, and so does `https://` of the same host for a client that came by
`http`: the service wants it to change.
"""

import re
from collections.abc import Iterable

from gateway.routing.routes import Route, authority_key
from gateway.upstream_connections.response_parser import URL_FIELDS

Field = tuple[bytes, bytes]

# RFC 3986 appendix B. What is not visible stays out: browsers drop tabs and line ends, and read `\` as `/`.
_NETWORK_URL = re.compile(rb"(?:(https?):)?//([^/?#@\\]*)([/?#][\x21-\x7e\x80-\xff]*)?", re.IGNORECASE)
_REFRESH = re.compile(rb"(\s*[0-9.]*\s*[;,]\s*url\s*=\s*)(['\"]?)(.*)", re.IGNORECASE | re.DOTALL)


def rewrite_urls(headers: Iterable[Field], route: Route, host: bytes | None, scheme: str) -> list[Field]:
    """`headers` as the client should see them, which asked `host` by `scheme` for something at `route`."""
    return [
        (name, _client_field(name, value, route, host, scheme) if name in URL_FIELDS else value)
        for name, value in headers
    ]


def _client_field(name: bytes, value: bytes, route: Route, host: bytes | None, scheme: str) -> bytes:
    if name != b"refresh":
        return _client_url(value, route, host, scheme)
    refresh = _REFRESH.fullmatch(value)
    if refresh is None:
        return value
    before, quote, url = refresh.groups()
    return before + quote + _client_url(url, route, host, scheme)


def _client_url(url: bytes, route: Route, host: bytes | None, scheme: str) -> bytes:
    network = _NETWORK_URL.fullmatch(url)
    if network is not None:
        if not _is_ours(network, route, host, scheme):
            return url
        path = network[3] or b"/"
        return _with_prefix(path if path.startswith(b"/") else b"/" + path, route)
    if route.strip and url.startswith(b"/"):
        return _with_prefix(url, route)
    return url


def _is_ours(network: re.Match[bytes], route: Route, host: bytes | None, scheme: str) -> bool:
    said_scheme = (network[1] or scheme.encode("ascii")).decode("ascii").lower()
    try:
        named = authority_key(network[2].decode("ascii"), said_scheme)
        asked = authority_key(host.decode("ascii"), said_scheme) if host else None
    except ValueError:
        return False
    if named == asked:
        return not (said_scheme == "https" and scheme == "http")
    return named in route.upstream.own_names or (asked is not None and _has_our_port(named, asked, route, scheme))


def _has_our_port(named: str, asked: str, route: Route, scheme: str) -> bool:
    """Whether `named` is the host of `asked` with the port of one of the upstream's addresses."""
    host, _, port = named.rpartition(":")
    if host != asked.rpartition(":")[0] or port not in route.upstream.own_ports:
        return False
    return not (port == "443" and scheme == "http")


def _with_prefix(path: bytes, route: Route) -> bytes:
    """`path` of the service as the client knows it. A service that reads X-Forwarded-Prefix has added that."""
    prefix = route.prefix[: route.strip].encode("ascii")
    if prefix and not re.match(re.escape(prefix) + rb"(?:[/?#]|\Z)", path):
        return prefix + path
    if path[1:2] in (b"/", b"\\"):  # it would be read as the name of another host
        return b"/." + path
    return path
