"""A navigation is recognized by Sec-Fetch-Mode, or by Accept if a browser sends no Sec-Fetch-* field."""

import pytest

from gateway.http.request import Request
from gateway.pipeline.navigation import is_navigation

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def request(*fields: tuple[str, str], method: str = "GET") -> Request:
    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    return Request("id", method, b"/app/", b"", headers, "1.1", "192.0.2.1", "https", None)


NAVIGATIONS = {
    "a link or the address bar": [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Accept", "*/*")],
    "a frame": [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
    "a service worker that passes on the request": [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "empty")],
    "Safari 16.3, and every browser over http": [("Accept", CHROME)],
    "Internet Explorer": [("Accept", "text/html, application/xhtml+xml, image/jxr, */*")],
    "Lynx": [("Accept", "text/html, text/plain, text/sgml, */*;q=0.01")],
    "two Accept fields": [("Accept", "text/html"), ("Accept", "*/*;q=0.1")],
    "a weight in capitals": [("Accept", "application/json;Q=0.5, TEXT/HTML")],
}
OTHERS = {
    "fetch()": [("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"), ("Accept", CHROME)],
    "fetch() of the same origin": [("Sec-Fetch-Mode", "same-origin"), ("Accept", "text/html")],
    "an image": [("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image"), ("Accept", "image/avif,*/*;q=0.8")],
    "a WebSocket": [("Sec-Fetch-Mode", "websocket"), ("Upgrade", "websocket")],
    "a WebSocket of an old browser": [("Upgrade", "websocket"), ("Accept", CHROME)],
    "Sec-Fetch-Mode is missing": [("Sec-Fetch-Site", "same-origin"), ("Accept", CHROME)],
    "speculation rules": [("Sec-Fetch-Mode", "navigate"), ("Sec-Purpose", "prefetch")],
    "a prerender": [("Sec-Fetch-Mode", "navigate"), ("Sec-Purpose", "prefetch;prerender")],
    "a prefetch of Safari": [("Accept", CHROME), ("Purpose", "prefetch")],
    "curl": [("Accept", "*/*")],
    "no Accept": [],
    "axios": [("Accept", "application/json, text/plain, */*")],
    "jQuery": [("Accept", "text/html, */*; q=0.01"), ("X-Requested-With", "XMLHttpRequest")],
    "Prototype.js": [("Accept", "text/javascript, text/html, application/xml, text/xml, */*")],
    "htmx": [("Accept", "text/html, */*"), ("HX-Request", "true")],
    "JSON before HTML": [("Accept", "application/json, text/html")],
    "HTML is refused": [("Accept", "text/html;q=0, */*;q=0.1")],
    "HTML is the second choice": [("Accept", "application/json, text/html;q=0.9")],
    "malformed": [("Accept", ";;,q=1,text/html;q=much")],
}


@pytest.mark.parametrize("name", NAVIGATIONS)
def test_a_navigation(name: str) -> None:
    assert is_navigation(request(*NAVIGATIONS[name]))
    assert is_navigation(request(*NAVIGATIONS[name], method="HEAD"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_request_that_changes_something_is_no_navigation(method: str) -> None:
    """The log-in page would lead back by GET, and the form would be lost without a word."""
    assert not is_navigation(request(("Sec-Fetch-Mode", "navigate"), method=method))


@pytest.mark.parametrize("name", OTHERS)
def test_another_request(name: str) -> None:
    assert not is_navigation(request(*OTHERS[name]))
