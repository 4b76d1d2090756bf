"""The views of /openapi.json and /docs/, for everybody or for staff only, by the setting API_DOCS."""

import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, current_app, request

from contract.problems import Refused
from gateway.api_description.joined_document import join
from gateway.api_description.own_document import own_document
from gateway.api_description.upstream_documents import UpstreamDocuments
from gateway.endpoints.flask_request import pipeline_request
from gateway.endpoints.session import WaitFor
from gateway.http.gateway_paths import Access
from gateway.http.request_headers import read_request_fields
from gateway.http.request_limits import HIGHEST_LIMITS
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.credentials import read_credentials
from gateway.pipeline.login_redirect import browser_refusal
from gateway.routing.routes import RouteTable
from gateway.suspendable import run
from gateway.tokens.principal import Principal
from gateway.upstreams.registry import UpstreamRegistry

DOCUMENT_PATH = "/openapi.json"
DOCS_PATH = "/docs/"
STAFF = "staff"
"""The role that API_DOCS=staff requires."""

_STATIC = Path(__file__).with_name("static")
_FILES: Mapping[str, tuple[str, str]] = {
    "docs.css": ("docs.css", "text/css"),
    "docs.js": ("docs.js", "text/javascript"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript"),
}
"""The files of the page by name, with their path and media type."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = structlog.get_logger("openapi")


def describe_api(
    access: Access,
    login_url: str,
    table: RouteTable,
    upstreams: UpstreamRegistry,
    authentication: AuthenticateStage,
    cookie_name: str,
    wait_for: WaitFor,
) -> list[Blueprint]:
    """Return the blueprint of the API description; none if `access` is off, or if a route has one of its paths."""
    if access == "off":
        return []
    for route in table.routes:
        if f"{route.prefix.rstrip('/')}/".startswith((DOCS_PATH, f"{DOCUMENT_PATH}/")):
            _log.warning("api_docs_not_served", route=route.prefix)
            return []
    documents = UpstreamDocuments(upstreams, table.upstreams())
    views = ApiDescription(access, documents, table, authentication, cookie_name, login_url, wait_for)
    return [views.blueprint()]


class ApiDescription:
    """The views and their blueprint. `login_url` is the log-in page for staff without a session."""

    def __init__(
        self,
        access: Access,
        documents: UpstreamDocuments,
        table: RouteTable,
        authentication: AuthenticateStage,
        cookie_name: str,
        login_url: str,
        wait_for: WaitFor,
    ) -> None:
        self._access = access
        self._documents = documents
        self._table = table
        self._authentication = authentication
        self._cookie_name = cookie_name
        self._login_url = login_url
        self._wait_for = wait_for
        self._joined: tuple[Mapping[str, Any], bytes] = ({}, b"")
        self._joining = Lock()
        self._own: Callable[[Flask], dict[str, Any]] = cache(lambda app: own_document(app, cookie_name))

    def blueprint(self) -> Blueprint:
        """Return the blueprint of these views."""
        blueprint = Blueprint("api_description", __name__)
        blueprint.add_url_rule(DOCUMENT_PATH, view_func=self.show_document, methods=["GET"])
        blueprint.add_url_rule(DOCS_PATH, view_func=self.show_page, methods=["GET"])
        for name in _FILES:
            blueprint.add_url_rule(f"{DOCS_PATH}{name}", name.replace(".", "_"), _file_view(name), methods=["GET"])
        return blueprint

    def show_document(self) -> Response:
        """Return the joined document. Raises Refused."""
        headers = self._admit()
        body = self._body(self._wait_for(self._documents.read()))
        return Response(body, headers=headers, content_type="application/json")

    def _body(self, upstreams: Mapping[str, Any]) -> bytes:
        """Return the joined document. It is joined again only if a document of `upstreams` has changed."""
        with self._joining:
            joined, body = self._joined
            if (
                not body
                or joined.keys() != upstreams.keys()
                or any(joined[name] is not upstreams[name] for name in joined)
            ):
                document = join(self._own(_current_app()), upstreams, self._table, _log_left_out)
                body = f"{json.dumps(document)}\n".encode("ascii")
                self._joined = (upstreams, body)
            return body

    def show_page(self) -> Response:
        """Return the page. Raises Refused; a browser without a session is sent to the log-in page."""
        headers = self._admit()
        page = (_STATIC / "docs.html").read_bytes()
        return Response(page, headers={**headers, **_HEADERS}, content_type="text/html; charset=utf-8")

    def _admit(self) -> Mapping[str, str]:
        """Check that the client may read the description, and return header fields for the response."""
        if self._access == "public":
            return {}
        principal: Principal = self._wait_for(self._authenticate())
        if STAFF not in principal.claims.roles:
            raise Refused("insufficient_scope", "The API description is for users with the role staff.")
        return principal.fresh.to_headers() if principal.fresh is not None else {}

    async def _authenticate(self) -> Principal:
        current = pipeline_request()
        fields = read_request_fields(current.headers, current.http_version, HIGHEST_LIMITS)
        credentials = read_credentials(fields, self._cookie_name.encode("ascii"))
        try:
            return await run(self._authentication.authenticate(current, credentials))
        except Refused as refused:
            raise browser_refusal(refused, current, credentials, self._login_url) or refused from refused


def _log_left_out(upstream: str, operation: str, reason: str) -> None:
    _log.warning("openapi_operation_left_out", upstream=upstream, operation=operation, error=reason)


def _current_app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]


def _file_view(name: str) -> Callable[[], Response]:
    path, media_type = _FILES[name]

    @cache
    def compressed() -> bytes:
        return gzip.compress((_STATIC / path).read_bytes(), mtime=0)

    def show_file() -> Response:
        response = Response(content_type=f"{media_type}; charset=utf-8", headers=_HEADERS)
        if request.accept_encodings["gzip"]:
            response.data = compressed()
            response.headers["Content-Encoding"] = "gzip"
        else:
            response.data = (_STATIC / path).read_bytes()
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Vary"] = "Accept-Encoding"
        response.add_etag()
        response.make_conditional(request)
        return response

    return show_file
