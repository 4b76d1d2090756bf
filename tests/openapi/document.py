"""The joined OpenAPI document of the system with its default settings, without a running stack."""

import secrets
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask

from auth_service.app import create_app as create_auth_app
from auth_service.settings import AuthSettings
from chassis.openapi.endpoint import OPENAPI_PATH
from chassis.settings import load
from gateway.api_description.joined_document import join
from gateway.api_description.own_document import own_document
from gateway.endpoints.session import SessionEndpoints
from gateway.endpoints.ticket import ticket_endpoints
from gateway.http.response_headers import SESSION_COOKIE
from gateway.routing.loader import load_routes
from gateway.settings import RoutesSettings
from resource_service.app import create_app as create_notes_app
from resource_service.settings import ResourceSettings

_ADDRESSES = {"AUTH_URL": "http://127.0.0.1:1", "RESOURCE_URL": "http://127.0.0.1:2"}


@cache
def joined_document() -> dict[str, Any]:
    """Return the document that a gateway with the default routes and settings serves."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        (data_dir / "notes.secret").write_text(secrets.token_hex(32))
        routes = load_routes(RoutesSettings().gateway_routes, environ=_ADDRESSES, data_dir=data_dir)
        documents = {"auth": _document(_auth_app(data_dir)), "notes": _document(_notes_app(data_dir))}
    return join(own_document(_gateway_endpoints(), SESSION_COOKIE), documents, routes)


def _document(app: Flask) -> dict[str, Any]:
    document: dict[str, Any] = app.test_client().get(OPENAPI_PATH).get_json()
    return document


def _auth_app(data_dir: Path) -> Flask:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    environ = {
        "DATABASE_URL": f"sqlite:///{data_dir}/auth.db",
        "REDIS_URL": "redis://127.0.0.1:1",
        "SIGNING_KEY": key.decode(),
        "REFRESH_SECRET": secrets.token_hex(32),
        "PEER_SECRET": secrets.token_hex(32),
    }
    return create_auth_app(load(AuthSettings, environ))


def _notes_app(data_dir: Path) -> Flask:
    environ = {"DATABASE_URL": f"sqlite:///{data_dir}/notes.db", "IDENTITY_SECRET": secrets.token_hex(32)}
    return create_notes_app(load(ResourceSettings, environ))


def _gateway_endpoints() -> Flask:
    unused = cast(Any, None)
    sessions = SessionEndpoints(unused, unused, unused, unused, unused, unused)
    app = Flask("gateway", static_folder=None)
    app.register_blueprint(sessions.blueprint())
    app.register_blueprint(ticket_endpoints(unused, "", unused, unused))
    return app
