"""Puts the resource service together."""

import os
import time
from pathlib import Path

import structlog
from flask import Flask, Response
from sqlalchemy import exc, select

from chassis.clock import Clock
from chassis.database import database_reason, engine_options, prepare_engine
from chassis.health import health
from chassis.problem_details import install_problem_details, problem_response
from chassis.request_context import install_request_context
from chassis.startup import settings_or_exit
from contract.problems import Refused
from resource_service.identity import IdentityCheck, install_identity
from resource_service.models import Note, db
from resource_service.note_endpoints import note_endpoints
from resource_service.note_events import NoteStreams, note_events
from resource_service.settings import ResourceSettings
from resource_service.whoami_endpoint import whoami_endpoint

_log = structlog.get_logger("store")

MAX_BODY = 1024 * 1024
"""Bytes. What is longer is answered 413 without being read."""


def create_app(settings: ResourceSettings | None = None, *, clock: Clock = time.time) -> Flask:
    """The service as a WSGI application; without `settings` they come from the environment, or the process ends."""
    settings = settings or settings_or_exit(ResourceSettings, os.environ)
    # Flask-SQLAlchemy takes a relative SQLite path from the instance folder; people mean the working directory.
    app = Flask(__name__, static_folder=None, instance_path=str(Path.cwd()))
    url = settings.database_url.get_secret_value()
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # the gateway answers preflights; here OPTIONS is a method like any other
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(url, settings.threads),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it, its base class has not
    # /api/notes and /api/notes/ are the same place, without a redirect: a redirected POST loses its body.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions["clock"] = clock
    app.extensions["note_streams"] = NoteStreams(settings.resource_streams)

    install_request_context(app)
    install_problem_details(app)
    install_identity(app, IdentityCheck(settings.verifier, settings.identity_audience, clock))
    _install_store(app)
    app.register_blueprint(health({"database": _check_store}))
    app.register_blueprint(note_endpoints)
    app.register_blueprint(note_events)
    app.register_blueprint(whoami_endpoint)
    app.after_request(_forbid_storing)
    return app


def _install_store(app: Flask) -> None:
    db.init_app(app)
    for error in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
        app.register_error_handler(error, _store_unavailable)
    with app.app_context():
        prepare_engine(db.engine)


def _check_store() -> None:
    db.session.execute(select(Note.id).limit(1))


def _store_unavailable(error: Exception) -> Response:
    _log.error("store_unavailable", reason=database_reason(error))
    return problem_response(Refused("store_unavailable", retry_after=5))


def _forbid_storing(response: Response) -> Response:
    # Every answer is one person's: no cache on the way may keep it.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
