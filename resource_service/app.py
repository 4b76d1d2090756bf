"""The application factory of the resource service."""

import os
import time
from contextlib import suppress
from pathlib import Path

import structlog
from flask import Flask, Response, request
from sqlalchemy import Engine, select

from chassis.clock import Clock
from chassis.health import health_blueprint
from chassis.openapi.endpoint import openapi_blueprint
from chassis.problem_details import install_problem_details
from chassis.request_context import install_request_context, note_client
from chassis.sql.engine import engine_options, prepare_engine
from chassis.startup import settings_or_exit
from resource_service.api_description import notes_document
from resource_service.database import db
from resource_service.errors import install_error_handlers
from resource_service.metrics import install_metrics
from resource_service.notes.database_models import Note
from resource_service.notes.endpoints import note_endpoints
from resource_service.notes.events import NoteStreams, note_events
from resource_service.settings import ResourceSettings
from resource_service.whoami import whoami_endpoint
from sallyport_service import IdentityRefused, IdentityVerifier
from sallyport_service.flask import current_identity, install_identity

_log = structlog.get_logger("identity")

MAX_BODY = 1024 * 1024
"""Bytes. A request with a longer body is answered 413."""


def create_app(settings: ResourceSettings | None = None, *, clock: Clock = time.time) -> Flask:
    """Return the service as a WSGI application.

    Without `settings`, it reads them from the environment and exits with status 2 if they are invalid.
    """
    settings = settings or settings_or_exit(ResourceSettings, os.environ)
    # Flask-SQLAlchemy looks for a relative SQLite path in the instance folder; users expect the working directory.
    app = Flask(__name__, static_folder=None, instance_path=str(Path.cwd()))
    url = settings.database_url.get_secret_value()
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # the gateway answers preflights
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(url, settings.threads),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # an attribute of the default provider, not of its type
    # /api/notes and /api/notes/ are the same resource. A redirect from one to the other would lose a POST body.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions["clock"] = clock
    app.extensions["note_streams"] = NoteStreams(settings.resource_streams)

    install_request_context(app)
    install_problem_details(app)
    install_error_handlers(app)
    install_identity(app, _identity_verifier(settings, clock))
    install_metrics(app, _install_database(app))
    app.register_blueprint(health_blueprint({"database": _check_database}))
    app.register_blueprint(note_endpoints)
    app.register_blueprint(note_events)
    app.register_blueprint(whoami_endpoint)
    app.register_blueprint(openapi_blueprint(notes_document))
    app.after_request(_set_no_store)
    app.after_request(_note_caller)
    return app


def _identity_verifier(settings: ResourceSettings, clock: Clock) -> IdentityVerifier:
    file = settings.secret_file("identity_secret")
    return IdentityVerifier(
        None if file else settings.identity_secret.get_secret_value(),
        settings.identity_audience,
        secret_file=file,
        clock=clock,
        on_rejected=lambda reason: _log.warning("identity_rejected", reason=reason),
    )


def _install_database(app: Flask) -> Engine:
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    prepare_engine(engine)
    return engine


def _check_database() -> None:
    db.session.execute(select(Note.id).limit(1))


def _note_caller(response: Response) -> Response:
    """Set the caller for the request's log line."""
    if "X-Identity" in request.headers and request.url_rule is not None and response.status_code != 401:
        with suppress(IdentityRefused):
            note_client(current_identity().subject, current_identity().session)
    return response


def _set_no_store(response: Response) -> Response:
    # The API's responses are for one user, so no cache may store them.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
