"""A browser without JavaScript: it opens pages through the gateway's pipeline, follows redirects and sends forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

from werkzeug.test import TestResponse

from tests.auth_service.gateway_in_front import COOKIE, Fields, GatewayInFront

SAME_ORIGIN: Fields = [(b"sec-fetch-site", b"same-origin")]


@dataclass
class Element:
    """An element of a page: its name, its attributes, and its text with that of its descendants."""

    name: str
    attributes: dict[str, str]
    text: str = ""


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element."""
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in ("input", "meta", "link", "br"):
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        """End the innermost element."""
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        """Add text to every open element, with plain hyphens."""
        data = data.replace("\N{NON-BREAKING HYPHEN}", "-")
        for element in self._open:
            element.text += data

    def all(self, name: str) -> list[Element]:
        """Return the elements called `name`."""
        return [element for element in self.elements if element.name == name]

    def field(self, name: str) -> Element:
        """Return the input or select called `name`."""
        (found,) = [
            element
            for element in self.elements
            if element.name in ("input", "select") and element.attributes.get("name") == name
        ]
        return found

    def by_id(self, value: str) -> Element:
        """Return the element with this id."""
        (found,) = [element for element in self.elements if element.attributes.get("id") == value]
        return found

    def errors_of(self, name: str) -> list[str]:
        """Return the texts of the errors that describe a field."""
        ids = self.field(name).attributes.get("aria-describedby", "").split()
        return [self.by_id(value).text for value in ids if value.startswith("e-")]

    @property
    def hidden(self) -> dict[str, str]:
        """Return the hidden values of the page's forms."""
        inputs = [element.attributes for element in self.all("input") if element.attributes["type"] == "hidden"]
        return {attributes["name"]: attributes["value"] for attributes in inputs}

    @property
    def title(self) -> str:
        """Return the heading."""
        (heading,) = self.all("h1")
        return heading.text

    @property
    def summary(self) -> str:
        """Return the text of the error summary; empty without one."""
        found = [element.text for element in self.elements if element.attributes.get("role") == "alert"]
        return " ".join(found[0].split()) if found else ""

    @property
    def notice(self) -> str:
        """Return the text that tells what was done; empty without one."""
        found = [element.text for element in self.elements if element.attributes.get("role") == "status"]
        return found[0].strip() if found else ""

    @property
    def links(self) -> list[str]:
        """Return the targets of the links."""
        return [element.attributes["href"] for element in self.all("a")]


@dataclass
class PageBrowser:
    """One browser. `handle` is the value of its session cookie; empty without one."""

    gateway: GatewayInFront
    language: str = "en"
    agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    handle: str = ""
    device: str = ""
    """The device cookie with its value; empty without one."""
    cookies: list[str] = field(default_factory=list)
    """Every Set-Cookie that was received."""
    response: TestResponse | None = None
    received: Fields = field(default_factory=list)

    def open(self, target: str, *fields: tuple[bytes, bytes], method: str = "GET", body: bytes = b"") -> TestResponse:
        """Send one request and keep the cookie of the response."""
        own = [(b"user-agent", self.agent.encode()), (b"accept-language", self.language.encode())]
        cookies = "; ".join(filter(None, [f"{COOKIE}={self.handle}" if self.handle else "", self.device]))
        cookie = [(b"cookie", cookies.encode())] if cookies else []
        self.response, self.received = self.gateway.open_page(method, target, [*own, *cookie, *fields], body)
        for name, value in self.received:
            if name == b"set-cookie" and not value.startswith(COOKIE.encode()):
                self.device = value.decode().split(";")[0]
            elif name == b"set-cookie":
                self.cookies.append(value.decode())
                self.handle = value.decode().split(";")[0].removeprefix(f"{COOKIE}=")
        return self.response

    def page(self, target: str, *fields: tuple[bytes, bytes]) -> Page:
        """Open a page, and return it after its redirects."""
        return self._follow(self.open(target, *fields))

    def post(self, target: str, **values: str) -> TestResponse:
        """Send a form and return the response."""
        form = (b"content-type", b"application/x-www-form-urlencoded")
        return self.open(target, form, *SAME_ORIGIN, method="POST", body=urlencode(values).encode())

    def send(self, target: str, **values: str) -> Page:
        """Open a page, fill in its form and send it. Return the page after the redirects."""
        page = self.page(target)
        return self._follow(self.post(target, **{**page.hidden, **values}))

    def register(self, email: str = "ann@example.org", password: str = "Tr0ub4dor&3x", **more: str) -> Page:
        """Register, which also logs in."""
        return self.send("/auth/register/", email=email, password=password, **more)

    def log_in(self, email: str = "ann@example.org", password: str = "Tr0ub4dor&3x", **more: str) -> Page:
        """Log in."""
        return self.send("/auth/login/", email=email, password=password, **more)

    def _follow(self, response: TestResponse) -> Page:
        for _ in range(3):
            if response.status_code != 303:
                break
            response = self.open(response.headers["Location"])
        assert response.mimetype == "text/html", response
        return Page(response.text)
