"""Parse the URL of an upstream: `http://host:port`, `https://host:port` or `unix:/path`."""

import re
from ssl import SSLContext
from urllib.parse import urlsplit

from gateway.routing.routes import Address

_AUTHORITY = re.compile(r"[A-Za-z0-9._~:\[\]-]+", re.ASCII)


def parse_upstream_url(url: str, tls: SSLContext | None = None) -> Address:
    """Return the address in `url`. An `https` URL needs a `tls` context. Raises ValueError."""
    if url.startswith("unix:/"):
        return Address(authority="localhost", path=url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"must be a URL; got {url!r}") from None
    has_authority_only = _AUTHORITY.fullmatch(parts.netloc) and not parts.path.strip("/") and not parts.query
    with_tls = parts.scheme == "https" and tls is not None
    if not (with_tls or parts.scheme == "http") or not host or not has_authority_only:
        raise ValueError(f"must be http://host:port, https://host:port or unix:/path; got {url!r}")
    port = port or (443 if with_tls else 80)
    return Address(authority=parts.netloc, host=host, port=port, tls=tls if with_tls else None)
