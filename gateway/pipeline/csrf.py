"""Decides whether a request that a cookie authenticates comes from a page of ours (cross-site request forgery).

A browser sends the cookie along with whatever a foreign page makes it send. It does not let that page set a header
of its own, a false Origin or a false Sec-Fetch-Site. Both are required, on every method that changes something.
"""

from contract.problems import Refused
from gateway.http.origin import (
    AllowedOrigins,
    is_certainly_cross_site,
    origin_refusal,
    own_origin,
    parse_origin,
    printable,
)

CUSTOM_HEADER = "X-Requested-With"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1


def check_same_origin(
    method: str,
    *,
    custom_header: str | None,
    origin: str | None,
    fetch_site: str | None,
    scheme: str,
    host: str | None,
    allowed_origins: AllowedOrigins,
) -> None:
    """Returns for a request that a page of ours sent, or that changes nothing. Raises Refused(403).

    `scheme` and `host` are those by which the client reached the gateway.
    """
    if method in _SAFE:
        return
    if not custom_header:
        raise Refused(
            "cross_site",
            f"A request that a cookie authenticates needs the header {CUSTOM_HEADER}, with any value: foreign pages"
            " cannot send it.",
        )
    if origin is not None:
        check_origin(origin, scheme=scheme, host=host, allowed_origins=allowed_origins)
        return
    if fetch_site != "same-origin":
        raise Refused(
            "cross_site",
            "A request that a cookie authenticates needs an Origin, or Sec-Fetch-Site: same-origin. Browsers send"
            " both; other clients use access tokens.",
        )


def check_origin(origin: str | None, *, scheme: str, host: str | None, allowed_origins: AllowedOrigins) -> None:
    """Returns where `origin` is the gateway's own or allowed. Raises Refused(403), also where there is none.

    A WebSocket has no other protection: a foreign page may open one, and its browser sends the cookie along, but
    neither a header of the page's own nor, everywhere, Sec-Fetch-Site (RFC 6455 10.2).
    """
    if origin is None:
        raise Refused("cross_site", "A WebSocket that a session cookie authenticates needs an Origin.")
    own, known = own_origin(scheme, host), parse_origin(origin)
    if known is not None and (known == own or known in allowed_origins):
        return
    raise Refused("cross_site", origin_refusal(origin, own))


def check_same_site(origin: str | None, *, fetch_site: str | None, scheme: str, host: str | None) -> None:
    """Returns for a log-in whose session cookie the browser would keep and send. Raises Refused(403).

    The cookie is SameSite=Strict: a browser drops it when the page is another site's, and the log-in would seem to
    work and have no effect. Sec-Fetch-Site says so; without it two hosts that cannot be one site do.
    """
    own, known = own_origin(scheme, host), parse_origin(origin) if origin is not None else None
    is_foreign = own is not None and known is not None and is_certainly_cross_site(own, known)
    if fetch_site == "cross-site" or (fetch_site is None and is_foreign):
        raise Refused(
            "cross_site",
            f"A page of {printable(origin or 'another site')} is another site than {own or 'this gateway'}: its "
            "browser would drop the session cookie, which is SameSite=Strict. Serve the page from the gateway's "
            "site, or log in with access tokens (POST /auth/jwt/create/).",
        )
