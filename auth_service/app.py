"""Puts the auth service together."""

import os
import time
from pathlib import Path
from typing import cast

from flask import Flask, Response
from flask_migrate import Migrate
from sqlalchemy import exc, select

from auth_service.accounts import Accounts
from auth_service.auth_api import auth_api
from auth_service.authentication import AccessTokens
from auth_service.blacklist import Blacklist
from auth_service.grants import Grants
from auth_service.internal_endpoints import internal_endpoints
from auth_service.issuer import Issuer, Lifetimes
from auth_service.key_endpoints import key_endpoints
from auth_service.models import User, db
from auth_service.passwords import PasswordRules, Passwords
from auth_service.redis_link import RedisLink
from auth_service.refusals import STORE_RETRY_AFTER
from auth_service.republisher import Republisher
from auth_service.request_body import MAX_BODY
from auth_service.revocation_feed import RevocationFeed
from auth_service.services import Services
from auth_service.session_endings import SessionEndings
from auth_service.session_store import Database, SessionStore
from auth_service.settings import AuthSettings
from auth_service.tokens import TokenReader
from chassis.clock import Clock
from chassis.database import engine_options, prepare_engine
from chassis.health import health
from chassis.problem_answers import install_problem_answers, problem_answer
from chassis.request_context import install_request_context
from chassis.serving import settings_or_exit
from contract.problems import Refused


def create_app(settings: AuthSettings | None = None, *, clock: Clock = time.time) -> Flask:
    """The service as a WSGI application; without `settings` they come from the environment, or the process ends.

    The thread that keeps the revocation feed whole is the server's to start, once it has forked.
    """
    settings = settings or settings_or_exit(AuthSettings, os.environ)
    # Flask-SQLAlchemy takes a relative SQLite path from the instance folder; people mean the working directory.
    app = Flask(__name__, instance_path=str(Path.cwd()))
    url = settings.database_url.get_secret_value()
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(url),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it, its base class has not
    # /auth/users and /auth/users/ are the same place, without a redirect: a redirected POST loses its body.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    install_request_context(app)
    install_problem_answers(app)
    _install_store(app)
    AccessTokens(app)
    _services(app, settings, clock).register_in(app.extensions)
    app.register_blueprint(health({"database": _check_store}))
    app.register_blueprint(key_endpoints)
    app.register_blueprint(internal_endpoints)
    app.register_blueprint(auth_api)
    return app


def _services(app: Flask, settings: AuthSettings, clock: Clock) -> Services:
    database = cast(Database, db.session)
    policy, keys = settings.refresh_policy, settings.key_ring
    secret = settings.refresh_secret.get_secret_value().encode()
    names = {"issuer": settings.token_issuer, "audience": settings.access_audience}
    sessions = SessionStore(database, policy)
    accounts = Accounts(database, sessions)
    passwords = Passwords(settings.hash_cost, running=settings.hash_concurrency, waiting=settings.hash_queue)
    redis = RedisLink(settings.redis_url.get_secret_value())
    blacklist = Blacklist(redis)
    feed = RevocationFeed(redis, sessions, access_lifetime=settings.access_token_lifetime, clock=clock)
    endings = SessionEndings(blacklist, feed)
    reader = TokenReader(keys, secret, **names, clock=clock)
    lifetimes = Lifetimes(settings.access_token_lifetime, settings.refresh_token_lifetime)
    grants = Grants(
        accounts=accounts,
        sessions=sessions,
        passwords=passwords,
        issuer=Issuer(keys.signing, secret, **names, lifetimes=lifetimes),
        reader=reader,
        blacklist=blacklist,
        endings=endings,
        policy=policy,
        session_lifetime=settings.session_lifetime,
        clock=clock,
    )
    return Services(
        settings=settings,
        clock=clock,
        keys=keys,
        accounts=accounts,
        sessions=sessions,
        passwords=passwords,
        password_rules=PasswordRules(settings.password_min_length),
        reader=reader,
        grants=grants,
        endings=endings,
        redis=redis,
        republisher=Republisher(app, feed),
    )


def _install_store(app: Flask) -> None:
    db.init_app(app)
    # A database may be shared with other services; each keeps its own record of migrations.
    Migrate(app, db, Path(__file__).with_name("migrations"), version_table="auth_alembic_version")
    for error in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
        app.register_error_handler(error, _store_unavailable)
    with app.app_context():
        prepare_engine(db.engine)


def _check_store() -> None:
    db.session.execute(select(User.id).limit(1))


def _store_unavailable(_: Exception) -> Response:
    return problem_answer(Refused("store_unavailable", retry_after=STORE_RETRY_AFTER))
