"""Reads where something listens: `http://host:port`, `https://host:port` or `unix:/path`."""

import re
from ssl import SSLContext
from urllib.parse import urlsplit

from gateway.routing.routes import Address

_AUTHORITY = re.compile(r"[A-Za-z0-9._~:\[\]-]+", re.ASCII)


def read_address(url: str, tls: SSLContext | None = None) -> Address:
    """The address in `http://host:port`, `unix:/path`, or `https://host:port` where there is `tls` for it.

    Raises ValueError.
    """
    if url.startswith("unix:/"):
        return Address(authority="localhost", path=url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{url!r} is no URL") from None
    is_plain = _AUTHORITY.fullmatch(parts.netloc) and not parts.path.strip("/") and not parts.query
    secured = parts.scheme == "https" and tls is not None
    if not (secured or parts.scheme == "http") or not host or not is_plain:
        raise ValueError(f"{url!r} must be http://host:port, https://host:port or unix:/path")
    port = port or (443 if secured else 80)
    return Address(authority=parts.netloc, host=host, port=port, tls=tls if secured else None)
