"""Rewrite URLs in a response's header that point to the upstream, so that clients reach them through the gateway.

`Location`, `Content-Location` and `Refresh` are rewritten as by nginx's proxy_redirect and Apache's ProxyPassReverse.

| authority of the URL                              | rewritten to a path                          |
|---------------------------------------------------|----------------------------------------------|
| an address of the upstream                        | yes                                          |
| the host that the client requested                | yes, unless it changes `http` to `https`     |
| that host with a port of the upstream (as nginx   | yes, unless it changes `http` to `https`     |
| redirects to directories)                         |                                              |
| any other host                                    | no                                           |
"""

import re
from collections.abc import Iterable

from gateway.routing.routes import Route, authority_key
from gateway.upstream_connections.response_parser import URL_FIELDS

Field = tuple[bytes, bytes]

# RFC 3986 appendix B. Other characters are excluded: browsers drop tabs and line ends, and read `\` as `/`.
_NETWORK_URL = re.compile(rb"(?:(https?):)?//([^/?#@\\]*)([/?#][\x21-\x7e\x80-\xff]*)?", re.IGNORECASE)
_REFRESH = re.compile(rb"(\s*[0-9.]*\s*[;,]\s*url\s*=\s*)(['\"]?)(.*)", re.IGNORECASE | re.DOTALL)


def rewrite_urls(headers: Iterable[Field], route: Route, host: bytes | None, scheme: str) -> list[Field]:
    """Return `headers` for a client that requested `host` by `scheme` on `route`."""
    return [
        (name, _rewrite_field(name, value, route, host, scheme) if name in URL_FIELDS else value)
        for name, value in headers
    ]


def _rewrite_field(name: bytes, value: bytes, route: Route, host: bytes | None, scheme: str) -> bytes:
    if name != b"refresh":
        return _rewrite_url(value, route, host, scheme)
    refresh = _REFRESH.fullmatch(value)
    if refresh is None:
        return value
    before, quote, url = refresh.groups()
    return before + quote + _rewrite_url(url, route, host, scheme)


def _rewrite_url(url: bytes, route: Route, host: bytes | None, scheme: str) -> bytes:
    network = _NETWORK_URL.fullmatch(url)
    if network is not None:
        if not _points_to_upstream(network, route, host, scheme):
            return url
        path = network[3] or b"/"
        return _with_prefix(path if path.startswith(b"/") else b"/" + path, route)
    if route.strip and url.startswith(b"/"):
        return _with_prefix(url, route)
    return url


def _points_to_upstream(network: re.Match[bytes], route: Route, host: bytes | None, scheme: str) -> bool:
    url_scheme = (network[1] or scheme.encode("ascii")).decode("ascii").lower()
    try:
        authority = authority_key(network[2].decode("ascii"), url_scheme)
        requested = authority_key(host.decode("ascii"), url_scheme) if host else None
    except ValueError:
        return False
    if authority == requested:
        return not (url_scheme == "https" and scheme == "http")
    if authority in route.upstream.own_authorities:
        return True
    return requested is not None and _has_upstream_port(authority, requested, route, scheme)


def _has_upstream_port(authority: str, requested: str, route: Route, scheme: str) -> bool:
    """Return whether `authority` is the host of `requested` with a port of the upstream."""
    host, _, port = authority.rpartition(":")
    if host != requested.rpartition(":")[0] or port not in route.upstream.own_ports:
        return False
    return not (port == "443" and scheme == "http")


def _with_prefix(path: bytes, route: Route) -> bytes:
    """Return the client's path for the upstream's `path`. An upstream that reads X-Forwarded-Prefix has added it."""
    prefix = route.prefix[: route.strip].encode("ascii")
    if prefix and not re.match(re.escape(prefix) + rb"(?:[/?#]|\Z)", path):
        return prefix + path
    if path[1:2] in (b"/", b"\\"):  # browsers would read it as the name of another host
        return b"/." + path
    return path
