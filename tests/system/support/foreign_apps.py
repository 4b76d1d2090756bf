"""Two apps that know nothing of Sallyport: a Flask app with sessions and forms of its own, and a static site."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flask import Flask, redirect, request, session
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from contract.identity import IDENTITY_HEADER
from sallyport_service.assertion import verify
from sallyport_service.keys import verification_key
from tests.ports import free_port

ROUTES = """
[upstreams.app]
urls = ["http://127.0.0.1:{app_port}"]
identity_secret_file = "{secret_file}"
identity_headers = {{ "Remote-User" = "email", "X-Forwarded-Groups" = "roles" }}

[upstreams.site]
urls = ["http://127.0.0.1:{site_port}"]
identity = false

[[routes]]
prefix = "/"
upstream = "app"
access = "authenticated"
login = "redirect"
forward_cookies = true
csrf = "origin"

[[routes]]
prefix = "/site/"
upstream = "site"
access = "authenticated"
login = "redirect"
strip_prefix = true
"""

PAGE = "<!doctype html><title>The handbook</title><p>Chapter one"


def create_app(identity_secret: str) -> Flask:
    """Return an app that stores a draft in its own session, and shows what it receives."""
    app = Flask(__name__, static_folder=None)
    app.secret_key = secrets.token_hex(32)
    key = verification_key(identity_secret)

    @app.get("/d/<name>")
    def show(name: str) -> dict[str, object]:
        assertion = request.headers[IDENTITY_HEADER]
        identity = verify(assertion, key=key, audience="app", now=time.time())
        session["visits"] = session.get("visits", 0) + 1
        return {
            "name": name,
            "query": request.query_string.decode(),
            "asserted": identity.email,
            "remote_user": request.headers.get_all("Remote-User"),
            "groups": request.headers.get("X-Forwarded-Groups"),
            "visits": session["visits"],
            "draft": session.get("draft"),
            "cookies": sorted(request.cookies),
            "authorization": request.headers.get("Authorization"),
        }

    @app.post("/draft")
    def save() -> Response:
        session["draft"] = request.form["text"]
        return redirect("/d/draft", 303)

    return app


@contextmanager
def serve_foreign_apps(folder: Path) -> Iterator[str]:
    """Serve both apps in background threads while the block runs. Yield the tables for the routes file."""
    secret_file = folder / "app.secret"
    secret_file.write_text(secrets.token_hex(32))
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text(PAGE)
    app = make_server("127.0.0.1", free_port(), create_app(secret_file.read_text()), threaded=True)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder / "site"))
    site = ThreadingHTTPServer(("127.0.0.1", free_port()), handler)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (app, site)]
    for thread in threads:
        thread.start()
    try:
        yield ROUTES.format(app_port=app.server_port, site_port=site.server_port, secret_file=secret_file)
    finally:
        for server, thread in zip((app, site), threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
