"""Recognize navigations: requests with which a browser opens a page, and not a script or another client.

The fields Sec-Fetch-* (W3C Fetch Metadata) decide if the browser sends them: no script can set them. Browsers send
none over plain http and in old versions; then Accept decides.
"""

from gateway.http.header_fields import OWS, list_elements
from gateway.http.request import Request

_METHODS = frozenset({"GET", "HEAD"})
_FETCH_METADATA = b"sec-fetch-"
_PAGE_TYPES = (b"text/html", b"application/xhtml+xml")
_SCRIPT_FIELDS = (b"x-requested-with", b"hx-request")  # of jQuery and others, and of htmx


def is_navigation(request: Request) -> bool:
    """Return whether `request` is a GET or HEAD with which a browser opens a page.

    A prefetch is none: a browser uses its response later, when the user may have logged in or out.
    """
    if request.method not in _METHODS or request.header(b"upgrade") is not None or _is_prefetch(request):
        return False
    if any(name.startswith(_FETCH_METADATA) for name, _ in request.headers):
        return request.header(b"sec-fetch-mode") == "navigate"
    if any(name in _SCRIPT_FIELDS for name, _ in request.headers):
        return False
    return prefers_page([value for name, value in request.headers if name == b"accept"])


def comes_from_other_site(request: Request) -> bool:
    """Return whether a page of another site opened this one, so that the browser sent no SameSite=Strict cookie."""
    return (
        request.method == "GET"
        and request.header(b"sec-fetch-site") == "cross-site"
        and request.header(b"sec-fetch-dest") == "document"
    )


def prefers_page(accept: list[bytes]) -> bool:
    """Return whether the first of the media types with the highest weight is that of a page (RFC 9110 12.5.1)."""
    best, best_weight = b"", 0.0
    for element in list_elements(b",".join(accept)):
        media_type, *parameters = (part.strip(OWS).lower() for part in element.split(b";"))
        weight = _weight(parameters)
        if weight > best_weight:
            best, best_weight = media_type, weight
    return best in _PAGE_TYPES


def _weight(parameters: list[bytes]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _is_prefetch(request: Request) -> bool:
    # Sec-Purpose is `prefetch` or `prefetch;prerender`; Safari and older browsers send Purpose.
    return any(name in (b"sec-purpose", b"purpose") and b"prefetch" in value for name, value in request.headers)
