"""Puts the auth service together."""

import os
import time
from pathlib import Path
from typing import cast

import structlog
from flask import Flask, Response
from sqlalchemy import Engine, exc, select

from auth_service.accounts.passwords import PasswordRules, Passwords
from auth_service.accounts.users import Accounts
from auth_service.api.authentication import AccessTokens
from auth_service.api.blueprint import auth_api
from auth_service.api.errors import STORE_RETRY_AFTER
from auth_service.api.internal import internal_endpoints
from auth_service.api.jwks import key_endpoints
from auth_service.api.request_body import MAX_BODY
from auth_service.audit.client import client_of_request
from auth_service.audit.failed_logins import FailedLogins
from auth_service.audit.trail import AuditTrail
from auth_service.browser_sessions.service import BrowserSessions
from auth_service.jobs.periodic import Periodic
from auth_service.jobs.retention import DAY, Retention
from auth_service.jobs.retention import INTERVAL as TIDY_INTERVAL
from auth_service.services import Services, services
from auth_service.sessions.blacklist import Blacklist
from auth_service.sessions.revocation import SessionEndings
from auth_service.sessions.revocation_feed import INTERVAL as REPUBLISH_INTERVAL
from auth_service.sessions.revocation_feed import RevocationFeed
from auth_service.sessions.store import SessionStore
from auth_service.settings import AuthSettings
from auth_service.storage.group_commit import Commits, GroupCommit, SeparateCommits
from auth_service.storage.models import Database, User, db
from auth_service.storage.redis import RedisClient
from auth_service.throttling.attempt_counters import AttemptCounters
from auth_service.throttling.login_throttle import Throttle
from auth_service.tokens.grants import Grants
from auth_service.tokens.issuer import Issuer, Lifetimes
from auth_service.tokens.reader import TokenReader
from chassis.clock import Clock
from chassis.database import database_reason, engine_options, prepare_engine
from chassis.health import health
from chassis.problem_details import install_problem_details, problem_response
from chassis.request_context import install_request_context
from chassis.startup import settings_or_exit
from contract.problems import Refused

_log = structlog.get_logger("store")

BESIDE_REQUESTS = 2
"""Threads of a process that use the database and answer no request: republishing and housekeeping."""


def create_app(settings: AuthSettings | None = None, *, clock: Clock = time.time) -> Flask:
    """The service as a WSGI application; without `settings` they come from the environment, or the process ends.

    The threads that work beside the requests are the server's to start, once it has forked.
    """
    settings = settings or settings_or_exit(AuthSettings, os.environ)
    # Flask-SQLAlchemy takes a relative SQLite path from the instance folder; people mean the working directory.
    app = Flask(__name__, static_folder=None, instance_path=str(Path.cwd()))
    url = settings.database_url.get_secret_value()
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(url, settings.auth_threads + BESIDE_REQUESTS),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it, its base class has not
    # /auth/users and /auth/users/ are the same place, without a redirect: a redirected POST loses its body.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    install_request_context(app)
    install_problem_details(app)
    engine = _install_store(app)
    AccessTokens(app)
    _services(app, settings, engine, clock).register_in(app.extensions)
    app.register_blueprint(health({"database": _check_store}, degraded={"redis": _check_redis}))
    app.register_blueprint(key_endpoints)
    app.register_blueprint(internal_endpoints)
    app.register_blueprint(auth_api)
    return app


def _services(app: Flask, settings: AuthSettings, engine: Engine, clock: Clock) -> Services:
    database = cast(Database, db.session)
    commits: Commits = GroupCommit(engine) if engine.dialect.name == "sqlite" else SeparateCommits(database)
    policy, keys = settings.refresh_policy, settings.key_ring
    secret = settings.refresh_secret.get_secret_value().encode()
    names = {"issuer": settings.token_issuer, "audience": settings.access_audience}
    trail = AuditTrail(database, client_of_request)
    sessions = SessionStore(database, policy, trail, commits)
    accounts = Accounts(database, engine, sessions, trail, commits, most_sessions=settings.max_sessions_per_user)
    passwords = Passwords(
        settings.hash_cost,
        running=settings.hash_concurrency,
        waiting=settings.hash_queue,
        max_wait=settings.hash_max_wait,
        release=database.close,
    )
    redis = RedisClient(settings.redis_url.get_secret_value())
    blacklist = Blacklist(redis)
    feed = RevocationFeed(redis, sessions, clock=clock)
    failures = FailedLogins(trail, database)
    housekeeper = Retention(trail, failures, sessions, keep=settings.audit_retention * DAY, clock=clock)
    endings = SessionEndings(blacklist, feed)
    reader = TokenReader(keys, secret, **names, clock=clock)
    lifetimes = Lifetimes(
        settings.access_token_lifetime, settings.refresh_token_lifetime, settings.access_lifetime_jitter
    )
    issuer = Issuer(keys.signing, secret, **names, lifetimes=lifetimes)
    tries = AttemptCounters(redis)
    throttle = Throttle(tries, settings.throttle_rates, issuer.pseudonym)

    def catch_up() -> bool:
        blacklist.tell()
        return feed.catch_up()

    grants = Grants(
        accounts=accounts,
        sessions=sessions,
        passwords=passwords,
        issuer=issuer,
        reader=reader,
        blacklist=blacklist,
        endings=endings,
        trail=trail,
        failures=failures,
        throttle=throttle,
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
        trail=trail,
        passwords=passwords,
        password_rules=PasswordRules(settings.password_min_length),
        reader=reader,
        grants=grants,
        throttle=throttle,
        browser_sessions=BrowserSessions(
            grants, accounts, sessions, issuer, endings, settings.refresh_token_lifetime, clock
        ),
        endings=endings,
        redis=redis,
        republishing=Periodic(app, "republishing", REPUBLISH_INTERVAL, catch_up),
        housekeeping=Periodic(app, "housekeeping", TIDY_INTERVAL, housekeeper.tidy),
    )


def _install_store(app: Flask) -> Engine:
    db.init_app(app)
    for error in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
        app.register_error_handler(error, _store_unavailable)
    with app.app_context():
        prepare_engine(db.engine)
        return db.engine


def _check_store() -> None:
    db.session.execute(select(User.id).limit(1))


def _check_redis() -> None:
    services().redis.ask(lambda redis: redis.ping())


def _store_unavailable(error: Exception) -> Response:
    _log.error("store_unavailable", reason=database_reason(error))
    return problem_response(Refused("store_unavailable", retry_after=STORE_RETRY_AFTER))
