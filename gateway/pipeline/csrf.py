"""CSRF protection: refuse requests with the session cookie from pages of foreign origins.

An origin is accepted if it is the gateway's own or one of ALLOWED_ORIGINS; any other origin is foreign. A page of a
foreign origin can make a browser send a request with the cookie, but it can neither add a custom header nor forge
Origin or Sec-Fetch-Site. So unsafe methods need a custom header, and an accepted Origin or, without an Origin,
`Sec-Fetch-Site: same-origin`. On routes with `csrf = "origin"` they need no custom header, because an HTML form
cannot send one.
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
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1


def check_csrf(
    method: str,
    *,
    custom_header: str | None,
    origin: str | None,
    fetch_site: str | None,
    scheme: str,
    host: str | None,
    allowed_origins: AllowedOrigins,
    accepts_forms: bool = False,
) -> None:
    """Check that a request has a safe method, or comes from a page of an accepted origin. Raises Refused(403).

    `scheme` and `host` are those of the gateway's URL that the client requested. With `accepts_forms`, the custom
    header is not needed.
    """
    if method in SAFE_METHODS:
        return
    if accepts_forms and origin == "null" and fetch_site == "same-origin":
        return  # the form of a page with Referrer-Policy: no-referrer (Fetch standard 3.2); a sandbox is cross-site
    if not custom_header and not accepts_forms:
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
    """Check that `origin` is accepted. Raises Refused(403), also if `origin` is None.

    This is the only protection of a WebSocket (RFC 6455 10.2). A foreign page may open one, and the browser adds the
    cookie. No page can add a custom header to the handshake, and not every browser adds Sec-Fetch-Site.
    """
    if origin is None:
        raise Refused("cross_site", "A WebSocket that a session cookie authenticates needs an Origin.")
    own, parsed = own_origin(scheme, host), parse_origin(origin)
    if parsed is not None and (parsed == own or parsed in allowed_origins):
        return
    raise Refused("cross_site", origin_refusal(origin, own))


def check_same_site(origin: str | None, *, fetch_site: str | None, scheme: str, host: str | None) -> None:
    """Check that a log-in does not come from a page of another site. Raises Refused(403).

    The session cookie is SameSite=Strict, so the browser of such a page would drop it, and the log-in would have no
    effect. Without Sec-Fetch-Site, the log-in is refused only if the two hosts cannot be of the same site.
    """
    own, parsed = own_origin(scheme, host), parse_origin(origin) if origin is not None else None
    is_cross_site = own is not None and parsed is not None and is_certainly_cross_site(own, parsed)
    if fetch_site == "cross-site" or (fetch_site is None and is_cross_site):
        raise Refused(
            "cross_site",
            f"A page of {printable(origin or 'another site')} is another site than {own or 'this gateway'}: its "
            "browser would drop the session cookie, which is SameSite=Strict. Serve the page from the gateway's "
            "site, or get access tokens by POST /auth/jwt/create/ instead of a session cookie.",
        )
