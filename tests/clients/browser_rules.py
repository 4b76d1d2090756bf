"""The CORS protocol of the Fetch standard, as a browser applies it to the request of a page: https://fetch.spec.whatwg.org/#http-cors-protocol."""

import requests

from tests.clients.recording_proxy import Exchange

_SENT_BY_THE_BROWSER = {
    "accept-encoding", "accept-language", "connection", "content-length", "cookie", "host", "origin", "referer",
    "sec-fetch-mode", "user-agent",
}  # fmt: skip
_SAFELISTED = {"accept", "accept-language", "content-language"}
_SAFELISTED_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
_SAFELISTED_METHODS = {"GET", "HEAD", "POST"}


def fields_of_the_page(exchange: Exchange) -> dict[str, str]:
    """Return the header fields that the page's script sets, in lower case."""
    return {name: value for name, value in exchange.fields.items() if name not in _SENT_BY_THE_BROWSER}


def blocked(gateway: str, origin: str, exchange: Exchange, *, credentials: bool = False) -> str:
    """Send the request of `exchange` as a browser does for a page of `origin`; return why it blocks it, or "".

    `credentials` is the mode "include" of fetch, and `withCredentials` of axios.
    """
    url, fields = gateway + exchange.path, fields_of_the_page(exchange)
    if reason := _refused_preflight(url, origin, exchange.method, fields, credentials=credentials):
        return reason
    response = requests.request(
        exchange.method,
        url,
        headers={**fields, "Origin": origin},
        data=exchange.body,
        timeout=30,
        allow_redirects=False,
    )
    if response.is_redirect:
        return f"{response.status_code}: a redirect drops the body or the credentials"
    return _unreadable(response, origin, credentials=credentials)


def readable(response: requests.Response, name: str) -> bool:
    """Return whether a page of another origin can read a response field."""
    exposed = response.headers.get("Access-Control-Expose-Headers", "").lower().split(",")
    return name.lower() in (field.strip() for field in exposed)


def _refused_preflight(url: str, origin: str, method: str, fields: dict[str, str], *, credentials: bool) -> str:
    unsafe = sorted(name for name, value in fields.items() if not _is_safelisted(name, value))
    if not unsafe and method in _SAFELISTED_METHODS:
        return ""
    preflight = {"Origin": origin, "Access-Control-Request-Method": method}
    if unsafe:
        preflight["Access-Control-Request-Headers"] = ",".join(unsafe)
    response = requests.options(url, headers=preflight, timeout=30, allow_redirects=False)
    if reason := _unreadable(response, origin, credentials=credentials):
        return f"preflight: {reason}"
    if not response.ok or response.is_redirect:
        return f"preflight: status {response.status_code}"
    if method not in _SAFELISTED_METHODS and method not in _names(response, "Access-Control-Allow-Methods"):
        return f"preflight: {method} is not allowed"
    allowed = {name.lower() for name in _names(response, "Access-Control-Allow-Headers")}
    return next((f"preflight: {name} is not allowed" for name in unsafe if name not in allowed), "")


def _unreadable(response: requests.Response, origin: str, *, credentials: bool) -> str:
    allowed = response.headers.get("Access-Control-Allow-Origin")
    if allowed != origin and (credentials or allowed != "*"):
        return f"Access-Control-Allow-Origin is {allowed}"
    if credentials and response.headers.get("Access-Control-Allow-Credentials") != "true":
        return "Access-Control-Allow-Credentials is not true"
    return ""


def _is_safelisted(name: str, value: str) -> bool:
    return name in _SAFELISTED or (name == "content-type" and value.partition(";")[0].lower() in _SAFELISTED_TYPES)


def _names(response: requests.Response, field: str) -> set[str]:
    return {name.strip() for name in response.headers.get(field, "").split(",")}
