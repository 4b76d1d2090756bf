"""Decides whether a request that a cookie authenticates comes from a page of ours (cross-site request forgery).

A cookie travels with whatever a foreign page makes a browser send; a header of its own, an Origin that we know or
Sec-Fetch-Site cannot be made so. Both are asked for, on every method that changes something.
"""

from collections.abc import Collection

from contract.problems import Refused

CUSTOM_HEADER = "X-Requested-With"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1


def check_same_origin(
    method: str,
    *,
    custom_header: str | None,
    origin: str | None,
    fetch_site: str | None,
    host: str | None,
    allowed_origins: Collection[str],
) -> None:
    """Returns for a request that a page of ours sent, or that changes nothing. Raises Refused(403)."""
    if method in _SAFE:
        return
    if not custom_header:
        raise Refused("cross_site", f"A request that a cookie authenticates needs the header {CUSTOM_HEADER}.")
    if origin is not None:
        check_origin(origin, host=host, allowed_origins=allowed_origins)
        return
    if fetch_site != "same-origin":
        raise Refused("cross_site", "A request that a cookie authenticates needs an Origin or Sec-Fetch-Site.")


def check_origin(origin: str | None, *, host: str | None, allowed_origins: Collection[str]) -> None:
    """Returns where `origin` is `host` itself or allowed. Raises Refused(403), also where there is none.

    For a WebSocket this is all there is: a foreign page may open one, and its browser sends the cookie along, but
    neither a header of the page's own nor, everywhere, Sec-Fetch-Site (RFC 6455 10.2).
    """
    if origin is None or not (origin in allowed_origins or (host and origin.partition("://")[2] == host)):
        raise Refused("cross_site", "This Origin is not allowed to use the session.")
