"""@sallyport/client in Chromium: its EventSource, WebSocket, fetch and storage, in token and cookie mode."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from flask import Flask, redirect, request, send_from_directory
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from stack.plan import ROOT
from tests.gateway.stand_ins.websocket_service import websocket_service
from tests.ports import free_port
from tests.system.support.running_stack import PASSWORD, RunningStack, run_stack

pytestmark = pytest.mark.timeout(300)

KIT = ROOT / "client" / "packages" / "client" / "dist"
ROUTES = """
[upstreams.live]
urls = ["{websocket}"]
identity = false

[[routes]]
prefix = "/live"
upstream = "live"
access = "authenticated"
methods = ["GET"]
websocket = true

[upstreams.away]
urls = ["{away}"]
identity = false

[[routes]]
prefix = "/away"
upstream = "away"
access = "authenticated"
methods = ["GET", "POST"]
"""
APP = """<!doctype html><script type="module">
import { createClient } from "/kit/index.js";
const { url, mode } = Object.fromEntries(new URLSearchParams(location.search));
globalThis.client = createClient({ url, mode });
</script>"""
EVENTS = """titles => new Promise((resolve, reject) => {
  const seen = [];
  const stream = client.events("/api/notes/events", {
    lastEventId: "0",
    on: { created: event => {
      seen.push(JSON.parse(event.data).title);
      if (seen.length === titles.length) { stream.close(); resolve(seen); }
    } },
    onError: (error, final) => final && reject(error),
  });
})"""


@pytest.fixture(scope="module", autouse=True)
def built_kit() -> None:
    """The kit was built, as the app needs it."""
    assert (KIT / "index.js").exists(), "The kit is not built: make client"


@dataclass(slots=True)
class Site:
    """The app at `url`, and a service behind the gateway that redirects to the app's origin."""

    url: str = field(default_factory=lambda: f"http://localhost:{free_port()}/")
    """Pages of localhost may use a gateway in development."""
    service: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    landed: list[tuple[str, str | None]] = field(default_factory=list)
    """The method and the Authorization field of each request to /landed."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    app = Flask(__name__)

    @app.get("/")
    def page() -> str:
        return APP

    @app.get("/kit/<path:name>")
    def kit(name: str) -> Response:
        return send_from_directory(KIT, name)

    @app.route("/away", methods=["GET", "POST"])
    def away() -> Response:
        return redirect(f"{site.url}landed", 307)

    @app.route("/landed", methods=["GET", "POST", "OPTIONS"])
    def landed() -> Response:
        site.landed.append((request.method, request.headers.get("Authorization")))
        origin = request.headers.get("Origin", "*")
        allowed = {"Origin": origin, "Headers": "authorization,x-requested-with", "Credentials": "true"}
        return Response("landed", headers={f"Access-Control-Allow-{name}": value for name, value in allowed.items()})

    ports = [urlsplit(url).port or 0 for url in (site.url, site.service)]
    servers = [make_server("127.0.0.1", port, app, threaded=True) for port in ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield site
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="module")
def gateway(databases: Path, tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[RunningStack]:
    """A stack with a WebSocket service at /live, and a service at /away that redirects to another origin."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    standard = (ROOT / "gateway" / "routes.toml").read_text(encoding="utf-8")
    with websocket_service() as live:
        routes.write_text(standard + ROUTES.format(websocket=live.url, away=site.service), encoding="utf-8")
        with run_stack(databases, GATEWAY_ROUTES=str(routes), SESSION_COOKIE_SECURE="off") as running:
            yield running


@dataclass(frozen=True, slots=True)
class App:
    """The app in one browser, whose user is logged in."""

    url: str
    context: BrowserContext

    def open(self) -> Page:
        """Open the app in another tab."""
        page = self.context.new_page()
        page.goto(self.url)
        page.evaluate("client.ready.then(() => undefined)")
        return page


@pytest.fixture(params=["token", "cookie"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(chromium: Browser, gateway: RunningStack, site: Site, mode: str) -> Iterator[App]:
    context = chromium.new_context()
    url = gateway.url.replace("127.0.0.1", "localhost")
    yield App(f"{site.url}?{urlencode({'url': url, 'mode': mode})}", context)
    gateway.send("DELETE", "/development/faults")
    context.close()


@pytest.fixture
def page(app: App) -> Page:
    """A page whose user is logged in."""
    page = app.open()
    registration = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    assert page.evaluate("user => client.register(user).then(({ signedIn }) => signedIn)", registration)
    return page


def play(gateway: RunningStack, fault: str, path: str, **options: Any) -> None:
    """Switch a fault on for requests to `path`."""
    assert gateway.send("POST", "/development/faults", json={"fault": fault, "path": path, **options}).ok


def test_a_page_requests_the_cookie_session_once(page: Page, mode: str) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.url.endswith("/session/") else None)
    page.reload()
    page.evaluate("client.ready.then(() => client.json('/api/notes/'))")
    assert len(requests) == (mode == "cookie")


def test_a_stream_that_breaks_goes_on_after_the_last_event(gateway: RunningStack, page: Page) -> None:
    titles = ["First", "Second"]
    for title in titles:
        page.evaluate("title => client.json('/api/notes/', { json: { title } })", title)
    play(gateway, "lost-answer", "/api/notes/events", count=1)
    assert page.evaluate(EVENTS, titles) == titles


def test_a_web_socket_is_opened_and_the_first_message_is_received(page: Page) -> None:
    echoed = """client.webSocket("/live").then(socket => new Promise(resolve => {
      socket.onmessage = event => { resolve(event.data); socket.close(); };
      socket.send("hello");
    }))"""
    assert page.evaluate(echoed) == "hello"


def test_a_log_out_closes_a_web_socket(page: Page) -> None:
    closed = """client.webSocket("/live").then(socket => new Promise(resolve => {
      socket.onclose = ({ code }) => resolve(code);
      client.logOut();
    }))"""
    assert page.evaluate(closed) == 4401


def test_a_refused_web_socket_is_no_lost_connection(page: Page) -> None:
    refused = page.evaluate("client.webSocket('/nowhere').then(() => null, error => error.message)")
    assert refused == "/nowhere was not opened."
    assert not page.evaluate("client.session.current.offline")


def test_a_refused_stream_differs_from_an_interrupted_one(page: Page) -> None:
    refused = """new Promise(resolve => {
      const onError = error => { stream.close(); resolve(error.message); };
      const stream = client.events("/nowhere", { on: {}, onError });
    })"""
    assert page.evaluate(refused) == "/nowhere was refused."


def test_a_redirect_to_another_origin_carries_no_token(page: Page, site: Site) -> None:
    site.landed.clear()
    for method in ("GET", "POST"):
        fetched = "method => client.fetch('/away', { method }).then(response => response.text())"
        assert page.evaluate(fetched, method) == "landed"
    assert [method for method, _ in site.landed if method != "OPTIONS"] == ["GET", "POST"]
    assert {authorization for _, authorization in site.landed} == {None}


def test_tabs_whose_token_expires_at_once_stay_signed_in(gateway: RunningStack, page: Page, app: App) -> None:
    tabs = {"/api/notes/": page, "/api/whoami": app.open(), "/auth/users/me/": app.open()}
    for path in tabs:
        play(gateway, "expired-token", path, count=1)
    for path, tab in tabs.items():
        tab.evaluate("path => void (globalThis.sent = client.fetch(path).then(({ status }) => status))", path)
    assert [tab.evaluate("sent") for tab in tabs.values()] == [200, 200, 200]
    assert [tab.evaluate("client.session.current.status") for tab in tabs.values()] == ["signed-in"] * 3
