"""A real browser in front of an app with a log-in: links, fragments, forms, fetch(), prefetches and a service worker.

The pages of the app drive the browser: each one reports its URL and opens the next page.
"""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask, redirect, request
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from stack.plan import ROOT
from tests.ports import free_port
from tests.system.support.running_stack import Account, run_stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT = 90.0
"""Seconds until the browser has opened the last page."""

ROUTES = """
[upstreams.app]
urls = ["http://127.0.0.1:{port}"]
identity = false
identity_headers = {{ "Remote-User" = "email" }}

[[routes]]
prefix = "/"
upstream = "app"
access = "authenticated"
login = "redirect"
forward_cookies = true
csrf = "origin"

[[routes]]
prefix = "/sign-in/"
upstream = "app"
access = "public"
"""
LOG_IN = """
const next = new URLSearchParams(location.search).get("next");
await fetch("/session/", {{method: "POST", headers: {{"Content-Type": "application/json", "X-Requested-With": "f"}},
                           body: JSON.stringify({account})}});
location.replace(next + location.hash);
"""
LOG_OUT = 'await fetch("/session/", {method: "DELETE", headers: {"X-Requested-With": "f"}});'
STEPS = {
    "deep-link": 'location.href = "http://127.0.0.1:%d/mail";',
    "from-mail": "document.forms[0].submit();",
    "saved": f"""
        const before = (await fetch("/steps/api")).status;
        await navigator.serviceWorker.register("/steps/worker.js");
        await navigator.serviceWorker.ready;
        {LOG_OUT}
        const after = await fetch("/steps/api", {{headers: {{Accept: "text/html"}}}});
        await report("fetch " + before + " " + after.status + " " + after.redirected);
        const link = document.createElement("link");
        Object.assign(link, {{rel: "prefetch", href: "/other/prefetched"}});
        const prefetched = new Promise(resolve => {{ link.onerror = link.onload = event => resolve(event.type); }});
        document.head.append(link);
        await report("prefetch " + await prefetched);
        location.href = "/steps/after-log-out?x=1#part";""",
    "after-log-out": 'await report("end");',
}
WORKER = """
self.addEventListener("fetch", event => {
  if (event.request.mode === "navigate") event.respondWith(fetch(event.request));
});
"""


@dataclass(slots=True)
class DrivingApp:
    """The app, and the page of another site that links to it."""

    account: Account | None = None
    other_port: int = 0
    url: str = ""
    reports: list[str] = field(default_factory=list)
    users: dict[str, str | None] = field(default_factory=dict)
    """The Remote-User of each step."""

    def create(self) -> Flask:
        """Return the WSGI application of both."""
        app = Flask(__name__, static_folder=None)
        app.add_url_rule("/sign-in/", view_func=self._sign_in)
        app.add_url_rule("/sign-in/report", view_func=self._report)
        app.add_url_rule("/steps/<name>", view_func=self._step)
        app.add_url_rule("/steps/worker.js", view_func=self._worker)
        app.add_url_rule("/save", view_func=self._save, methods=["POST"])
        app.add_url_rule("/mail", view_func=self._mail)
        return app

    def _sign_in(self) -> str:
        assert self.account is not None
        self.reports.append(f"log-in for {request.args['next']}")
        account = json.dumps({"email": self.account.email, "password": self.account.password})
        return f"<script type=module>{LOG_IN.format(account=account)}</script>"

    def _worker(self) -> Response:
        return Response(WORKER, content_type="text/javascript")

    def _save(self) -> Response:
        return redirect("/steps/saved", 303)

    def _mail(self) -> str:
        return f"<script>location.href = '{self.url}/steps/from-mail?y=2'</script>"

    def _report(self) -> str:
        self.reports.append(request.args["text"])
        return ""

    def _step(self, name: str) -> str:
        self.users[name] = request.headers.get("Remote-User")
        script = STEPS.get(name, "")
        script = script % self.other_port if "%d" in script else script
        report = 'const report = text => fetch("/sign-in/report?text=" + encodeURIComponent(text));'
        where = "await report(location.pathname + location.search + location.hash);"
        form = '<form method="post" action="/save"><input name="text" value="hi"></form>'
        return f"<!doctype html>{form}<script type=module>{report}{where}{script}</script>"


@contextmanager
def serving(app: Flask) -> Iterator[int]:
    """Serve `app` on a port of its own, and yield the port."""
    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[None]:
    """Open `url` in a browser that runs during the block."""
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run")
    command = [str(CHROMIUM), *options, f"--user-data-dir={profile}", url]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        browser.terminate()
        browser.wait(WAIT)


@pytest.mark.timeout(300)
def test_a_browser_logs_in_comes_back_and_is_redirected_after_the_log_out(databases: Path, tmp_path: Path) -> None:
    """A mail's link opens the page of a user who is logged in, although the cookie is SameSite=Strict."""
    driver = DrivingApp()
    app = driver.create()
    with serving(app) as port, serving(app) as driver.other_port:
        routes = tmp_path / "routes.toml"
        routes.write_text((ROOT / "gateway" / "routes.toml").read_text() + ROUTES.format(port=port))
        settings = {"GATEWAY_ROUTES": str(routes), "SESSION_COOKIE_SECURE": "off", "LOGIN_URL": "/sign-in/"}
        with run_stack(databases, **settings) as stack:
            driver.account = stack.register()
            driver.url = stack.url.replace("127.0.0.1", "localhost")  # another site than 127.0.0.1
            with browsing(f"{driver.url}/steps/deep-link?q=a%2Fb&r=1+2#panel", tmp_path / "profile"):
                deadline = time.monotonic() + WAIT
                while "end" not in driver.reports and time.monotonic() < deadline:
                    time.sleep(0.05)  # another process: no clock to move
    assert driver.reports == [
        "log-in for /steps/deep-link?q=a%2Fb&r=1+2",
        "/steps/deep-link?q=a%2Fb&r=1+2#panel",
        "/steps/from-mail?y=2",
        "/steps/saved",
        "fetch 200 401 false",
        "prefetch error",
        "log-in for /steps/after-log-out?x=1",
        "/steps/after-log-out?x=1#part",
        "end",
    ]
    assert set(driver.users.values()) == {driver.account.email}
