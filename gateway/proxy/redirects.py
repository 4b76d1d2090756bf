"""Rewrite URLs in response headers that point to the upstream, so that clients request them from the gateway.

`Location`, `Content-Location` and `Refresh` are rewritten as by nginx's proxy_redirect and Apache's ProxyPassReverse.

| authority of the URL                              | rewritten to a path                          |
|---------------------------------------------------|----------------------------------------------|
| the host that the client requested                | yes, except a redirect from http to https    |
| an address of the upstream                        | yes                                          |
| that host with a port of the upstream, as in      | yes, except with port 443 if the client used |
| nginx's redirects to directories                  | http                                         |
| any other host                                    | no                                           |

A URL without an authority is unchanged, except that a route with `strip_prefix` adds its prefix to an absolute path,
and one with `replace_prefix` puts its prefix back.
"""

import re
from collections.abc import Iterable

from gateway.routing.routes import Route, authority_key
from gateway.upstream_connections.response_parser import URL_FIELDS

Field = tuple[bytes, bytes]

# RFC 3986 appendix B, without characters that browsers change: they drop tabs and line ends, and read `\` as `/`.
_URL_WITH_AUTHORITY = re.compile(rb"(?:(https?):)?//([^/?#@\\]*)([/?#][\x21-\x7e\x80-\xff]*)?", re.IGNORECASE)
_REFRESH = re.compile(rb"(\s*[0-9.]*\s*[;,]\s*url\s*=\s*)(['\"]?)(.*)", re.IGNORECASE | re.DOTALL)


def rewrite_urls(headers: Iterable[Field], route: Route, host: bytes | None, scheme: str) -> list[Field]:
    """Return `headers` with their URLs rewritten, for a request on `route` with this Host and scheme."""
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
    parts = _URL_WITH_AUTHORITY.fullmatch(url)
    if parts is not None:
        if not _points_to_upstream(parts, route, host, scheme):
            return url
        path = parts[3] or b"/"
        return _with_prefix(path if path.startswith(b"/") else b"/" + path, route)
    if (route.stripped_prefix_length or route.replacement_prefix) and url.startswith(b"/"):
        return _with_prefix(url, route)
    return url


def _points_to_upstream(parts: re.Match[bytes], route: Route, host: bytes | None, scheme: str) -> bool:
    """Return whether the URL in `parts` (scheme, authority, path) is rewritten by the table above."""
    url_scheme = (parts[1] or scheme.encode("ascii")).decode("ascii").lower()
    try:
        authority = authority_key(parts[2].decode("ascii"), url_scheme)
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
    """Return the upstream's `path` as the client has to request it on a route that strips or replaces its prefix.

    A stripped prefix is not added again if the upstream has added it, because it reads X-Forwarded-Prefix. A path
    outside the replacement of a prefix is not changed.
    """
    prefix = route.prefix[: route.stripped_prefix_length].encode("ascii")
    if route.replacement_prefix:
        if _is_under(path, route.replacement_prefix):
            rest = prefix + path[len(route.replacement_prefix) :]
            path = rest if rest.startswith(b"/") else b"/" + rest
    elif prefix and not _is_under(path, prefix):
        return prefix + path
    if path[1:2] in (b"/", b"\\"):  # browsers would read it as the name of another host
        return b"/." + path
    return path


def _is_under(path: bytes, prefix: bytes) -> bool:
    return re.match(re.escape(prefix) + rb"(?:[/?#]|\Z)", path) is not None
