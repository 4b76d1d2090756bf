"""The log-in redirect: on routes with `login = "redirect"`, a browser without a session is sent to the log-in page.

Only navigations that a 401 would refuse for want of a session are redirected. A request with a token gets its 401,
and so does the request for the log-in page itself, which therefore cannot redirect to itself.

The session cookie is SameSite=Strict: a browser does not send it if a page of another site opened the page. Such a
navigation gets a page that loads the same URL again. That request comes from the gateway's own site, so it has the
cookie if there is one, and it is redirected otherwise.
"""

from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote, urlsplit

from contract.problems import Refused
from gateway.http.request import Request
from gateway.pipeline.credentials import Credentials, is_bearer
from gateway.pipeline.navigation import comes_from_other_site, is_navigation

MAX_LOCATION_BYTES = 3_000
"""Maximum length of the redirect's URL. nginx reads a response head into 4 KiB by default (proxy_buffer_size)."""

_CODES = frozenset({"no_credentials", "session_ended", "token_expired", "token_revoked"})
"""The codes of a 401 after which a log-in helps. `token_invalid` is not one: a new token would be refused as well."""

_VARY = "Accept, Cookie, Sec-Fetch-Mode, Sec-Fetch-Site"
_SEE_OTHER: Final = 303  # RFC 9110 15.4.4: the log-in page is another resource, requested by GET
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_RELOADING_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="0;url={url}">
<title>Opening the page</title>
</head>
<body><p><a href="{url}">Continue</a></p></body>
</html>
"""


@dataclass(slots=True)
class BrowserRefusal(Refused):
    """A refusal whose response is for a person with a browser: a redirect, or an HTML page.

    `code` is the code of the refusal that it replaces, for the log.
    """

    http_status: int = _SEE_OTHER
    page: bytes = b""

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return self.http_status


def browser_refusal(
    refused: Refused, request: Request, credentials: Credentials, login_url: str
) -> BrowserRefusal | None:
    """Return the refusal that replaces `refused` for a browser; None if the client gets `refused`.

    `login_url` is the log-in page: a path, or the https URL of a page that the app serves elsewhere.
    """
    if refused.code not in _CODES or _has_token(request, credentials) or not is_navigation(request):
        return None
    if request.path.rstrip(b"/") == urlsplit(login_url).path.rstrip("/").encode("ascii"):
        return None
    if not credentials.session_cookies and comes_from_other_site(request):
        return _reloading_page(refused, request)
    location = login_location(login_url, request.path, request.query)
    return BrowserRefusal(refused.code, headers={**refused.headers, "Location": location, "Vary": _VARY})


def login_location(login_url: str, path: bytes, query: bytes) -> str:
    """Return `login_url` with the target in `next`.

    If that is too long, `next` is the path alone, or missing if the path is too long as well.
    """
    separator = "&" if "?" in login_url else "?"
    for target in (b"%b?%b" % (path, query), path) if query else (path,):
        location = f"{login_url}{separator}next={quote(target)}"  # only `/` and unreserved characters remain
        if len(location) <= MAX_LOCATION_BYTES:
            return location
    return login_url


def _reloading_page(refused: Refused, request: Request) -> BrowserRefusal:
    # Not a redirect: the browser would still consider the next request as one from the other site.
    target = b"%b?%b" % (request.path, request.query) if request.query else request.path
    page = _RELOADING_PAGE.format(url=escape(target.decode("ascii"))).encode("ascii")
    headers = {
        **refused.headers,
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _POLICY,
        "Vary": _VARY,
    }
    return BrowserRefusal(refused.code, headers=headers, http_status=401, page=page)


def _has_token(request: Request, credentials: Credentials) -> bool:
    known = request.known_fields
    if known is not None and known.token:
        return True
    return is_bearer(credentials.authorization) or credentials.refresh_token is not None or bool(credentials.tickets)
