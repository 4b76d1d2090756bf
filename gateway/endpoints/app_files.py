"""The app at /app/: the built files of a single-page app, from the folder APP_DIR.

A path without a file is a page of the app, which its router shows: a navigation gets index.html. Anything else gets
404: a missing script that is answered with index.html would be a riddle to its developer, and caches would keep it.
"""

import re
import secrets
from pathlib import Path

import structlog
from flask import Blueprint, Response, request, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from contract.problems import Refused
from gateway.endpoints.flask_request import pipeline_request
from gateway.pipeline.navigation import is_navigation
from gateway.routing.routes import RouteTable

APP_PATH = "/app/"
NONCE_PLACEHOLDER = "CSP_NONCE"
"""The value of `nonce` and `ngCspNonce` in index.html that is replaced by the nonce of the response."""

_INDEX = "index.html"
_log = structlog.get_logger("app_files")
_MEDIA_TYPES = {
    ".avif": "image/avif",
    ".css": "text/css",
    ".gif": "image/gif",
    ".html": "text/html",
    ".ico": "image/vnd.microsoft.icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
"""The media types by ending. Those of Python's `mimetypes` depend on the machine."""
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""The endings of compressed files by content coding, the best first."""

# A hash of the content in the name: Angular's (-ABCD2345.js) or a long hexadecimal one, and Vite's under assets/.
_HASHED = re.compile(r".*[-.](?:[A-Z2-7]{8}|[0-9a-f]{16,64})\.\w+|(?:.*/)?assets/[^/]*-[\w-]{8}\.\w+", re.ASCII)
_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{nonce}; img-src 'self' data: blob:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; media-src 'self' blob:; worker-src 'self'; base-uri 'self';"
    " form-action 'self'; frame-ancestors 'none'"
)


def app_files(folder: Path | None, routes: RouteTable) -> "AppFiles | None":
    """Return the app in `folder`; None if there is no folder, or if a route has a path of the app."""
    if folder is None:
        return None
    for route in routes.routes:
        if f"{route.prefix.rstrip('/')}/".startswith(APP_PATH):
            _log.warning("app_not_served", route=route.prefix, app_dir=str(folder))
            return None
    return AppFiles(folder)


class AppFiles:
    """The files in `folder`, which may be built or removed while the gateway runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def blueprint(self) -> Blueprint:
        """Return the blueprint of /app/."""
        blueprint = Blueprint("app", __name__)
        blueprint.add_url_rule(APP_PATH, view_func=self.show, methods=["GET"], defaults={"name": ""})
        blueprint.add_url_rule(f"{APP_PATH}<path:name>", view_func=self.show, methods=["GET"])
        return blueprint

    @property
    def is_built(self) -> bool:
        """Return whether there is an app."""
        return self._find(_INDEX) is not None

    def show(self, name: str) -> Response:
        """Return the file `name`, or index.html for a page of the app. Raises Refused(404)."""
        if not request.path.startswith(APP_PATH):  # relative URLs in index.html need the slash
            query = request.query_string.decode("latin-1")
            location = f"{APP_PATH}?{query}" if query else APP_PATH
            return _with_headers(Response(status=308, headers={"Location": location}), _REVALIDATE)
        if name not in ("", _INDEX):
            file = self._find(name)
            if file is not None:
                return self._file_response(file, name)
            is_page = Path(name).suffix not in _MEDIA_TYPES and not _is_hidden(name)
            if not is_page or not is_navigation(pipeline_request()):
                raise Refused("not_found", "The app has no such file.")
        index = self._find(_INDEX)
        if index is None:
            raise Refused("not_found", "The app is not built: run `make client`.")
        return _index_response(index)

    def _find(self, name: str) -> Path | None:
        """Return the file `name`; None if there is none, or if it is hidden or outside of the folder."""
        # With a slash at its end, `index.html/` would be a file that is not the index.
        if "\0" in name or name.endswith("/") or _is_hidden(name):
            return None
        try:
            file = (self._folder / name).resolve()
            if not file.is_relative_to(self._folder) or _is_hidden(str(file.relative_to(self._folder))):
                return None
            return file if file.is_file() else None
        except (OSError, RuntimeError):  # the name is too long; symlinks in a circle
            return None

    def _file_response(self, file: Path, name: str) -> Response:
        media_type = _MEDIA_TYPES.get(file.suffix, "application/octet-stream")
        compressed = self._compressed(name)
        sent_file = compressed[1] if compressed else file
        try:
            response = send_file(sent_file, mimetype=media_type, download_name=file.name)
        except RequestedRangeNotSatisfiable:  # RFC 9110 15.5.17
            return Response(status=416, headers={"Content-Range": f"bytes */{sent_file.stat().st_size}"})
        response.vary.add("Accept-Encoding")
        if compressed:
            response.headers["Content-Encoding"] = compressed[0]
        return _with_headers(response, _IMMUTABLE if _HASHED.fullmatch(name) else _REVALIDATE)

    def _compressed(self, name: str) -> tuple[str, Path] | None:
        """Return the content coding and the compressed file that the client prefers; None if there is none."""
        for coding, ending in _ENCODINGS.items():
            if request.accept_encodings[coding] and (file := self._find(name + ending)) is not None:
                return coding, file
        return None


def _is_hidden(path: str) -> bool:
    """Return whether a part of the relative `path` begins with a dot."""
    return any(part.startswith(".") for part in path.split("/"))


def _index_response(index: Path) -> Response:
    page = index.read_text(encoding="utf-8")
    if NONCE_PLACEHOLDER not in page:
        return _with_headers(send_file(index, mimetype="text/html"), _REVALIDATE)
    nonce = secrets.token_urlsafe(16)
    response = Response(page.replace(NONCE_PLACEHOLDER, nonce), mimetype="text/html")
    return _with_headers(response, _REVALIDATE, nonce)


def _with_headers(response: Response, cache_control: str, nonce: str = "") -> Response:
    response.headers["Cache-Control"] = cache_control
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=f" 'nonce-{nonce}'" if nonce else "")
    response.headers["Referrer-Policy"] = "strict-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
