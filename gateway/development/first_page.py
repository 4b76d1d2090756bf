"""The first page of a gateway in development, its files, the health of all parts, and the mailbox."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from flask import Blueprint, Response, jsonify, render_template, send_from_directory

from gateway.development.faults import FAULTS
from gateway.development.health import Part, SystemHealth
from gateway.development.mailbox import Mailbox
from gateway.endpoints.app_files import AppFiles
from gateway.endpoints.session import WaitFor

_STATIC = Path(__file__).with_name("static")
_FILES: Mapping[str, str] = {
    "page.css": "text/css",
    "console.js": "text/javascript",
    "exchange.js": "text/javascript",
    "faults.js": "text/javascript",
    "flow.js": "text/javascript",
    "health.js": "text/javascript",
    "tokens.js": "text/javascript",
}
"""The files of the page, with their media types. Those of Python's `mimetypes` depend on the machine."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class FirstPage:
    """The views of the first page and their blueprint. `internal_address` is GATEWAY_INTERNAL_BIND.

    With `is_at_root`, the page is served at `/` as well; otherwise a route has that path.
    """

    def __init__(
        self,
        health: SystemHealth,
        mailbox: Mailbox,
        wait_for: WaitFor,
        *,
        internal_address: str,
        app: AppFiles | None,
        is_at_root: bool,
    ) -> None:
        self._health = health
        self._mailbox = mailbox
        self._wait_for = wait_for
        self._internal_address = internal_address
        self._app = app
        self._is_at_root = is_at_root

    def blueprint(self) -> Blueprint:
        """Return the blueprint of these views."""
        blueprint = Blueprint("development", __name__, template_folder="templates")
        for path in ("/", "/development/") if self._is_at_root else ("/development/",):
            blueprint.add_url_rule(path, view_func=self.show, methods=["GET"])
        blueprint.add_url_rule("/development/health/", view_func=self.show_health, methods=["GET"])
        blueprint.add_url_rule("/development/mails/", view_func=self.show_mails, methods=["GET"])
        for name in _FILES:
            rule = f"/development/{name}"
            blueprint.add_url_rule(rule, view_func=self.show_file, methods=["GET"], defaults={"name": name})
        blueprint.after_request(_add_headers)
        return blueprint

    def show(self) -> str:
        """Return the page, with the health at this moment."""
        return render_template(
            "first_page.html",
            parts=self._parts(),
            faults=FAULTS,
            has_app=self._app is not None,
            is_app_built=self._app is not None and self._app.is_built,
            internal_address=self._internal_address,
        )

    def show_health(self) -> Response:
        """Return the health of every part as JSON."""
        return jsonify(parts=[asdict(part) for part in self._parts()])

    def show_mails(self) -> str:
        """Return the page with the mails that were not sent."""
        return render_template("mails.html", mails=self._mailbox.latest())

    def show_file(self, name: str) -> Response:
        """Return a file of the page."""
        return send_from_directory(_STATIC, name, mimetype=_FILES[name])

    def _parts(self) -> list[Part]:
        parts: list[Part] = self._wait_for(self._health.check())
        return parts


def _add_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
