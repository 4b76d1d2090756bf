"""The auth service's application factory."""

import os
import time
from pathlib import Path

import structlog
from flask import Flask
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from auth_service.accounts.foreign_hashes.decoys import SAMPLE_SIZE, Decoys
from auth_service.accounts.mail_tokens import MailTokens
from auth_service.accounts.passwords.hashing import Passwords
from auth_service.admin_pages.paths import STAFF_PAGES
from auth_service.administration.figures import FigureReader
from auth_service.administration.gateway_states import GatewayStates
from auth_service.administration.role_protection import RoleProtection
from auth_service.administration.user_administration import UserAdministration
from auth_service.api.authentication import AccessTokens
from auth_service.api.blueprint import auth_api
from auth_service.api.client_of_request import client_of_request
from auth_service.api.errors import STORE_RETRY_SECONDS
from auth_service.api.internal.blueprint import internal_endpoints
from auth_service.api.jwks import key_endpoints
from auth_service.api.openapi.document import auth_document
from auth_service.api.request_body import MAX_BODY
from auth_service.audit.audit_log import log_events
from auth_service.browser_sessions.service import BrowserSessions
from auth_service.events.account_events import Event, SessionEnded, TokensRefreshed
from auth_service.events.dispatcher import Dispatcher
from auth_service.jobs.mail import INTERVAL as SENDING_INTERVAL
from auth_service.jobs.mail import MailSender
from auth_service.jobs.periodic import PeriodicJob
from auth_service.jobs.retention import DAY, Retention
from auth_service.jobs.retention import INTERVAL as RETENTION_INTERVAL
from auth_service.jobs.webhooks import WebhookJobs, WebhookSender
from auth_service.mail.composer import Composer
from auth_service.mail.delivery import mail_design, open_transport
from auth_service.mail.notices import Notices
from auth_service.metrics.claims_hook_metrics import ClaimsHookMetrics
from auth_service.metrics.event_metrics import EventMetrics
from auth_service.metrics.mail_metrics import MailMetrics
from auth_service.metrics.request_metrics import count_requests
from auth_service.metrics.service_gauges import Observed, ServiceGauges
from auth_service.metrics.webhook_metrics import WebhookMetrics
from auth_service.pages.blueprint import install_pages
from auth_service.redis_client import RedisClient
from auth_service.services import Services, Webhooks, services
from auth_service.sessions.blacklist import Blacklist
from auth_service.sessions.revocation_feed import INTERVAL as REPUBLISH_INTERVAL
from auth_service.sessions.revocation_feed import RevocationFeed
from auth_service.settings import AuthSettings
from auth_service.storage.database import (
    check_database_answers,
    open_database,
    release_connection,
)
from auth_service.storage.stores import sql_stores
from auth_service.store_errors import StoreUnavailable
from auth_service.throttling.attempt_counters import AttemptCounters
from auth_service.throttling.device_tokens import DeviceTokens
from auth_service.throttling.login_throttle import LoginThrottle
from auth_service.tokens.claims_hook import ClaimsHook
from auth_service.tokens.grants import Grants
from auth_service.tokens.issuer import Issuer, Lifetimes
from auth_service.tokens.key_use import KeyUse
from auth_service.tokens.reader import TokenReader
from auth_service.tokens.simplejwt import SimpleJwtReader
from auth_service.tokens.token_exchange import TokenExchange
from auth_service.webhooks.endpoints import Subscriptions
from auth_service.webhooks.outbox import WebhookOutbox
from auth_service.webhooks.transport import WebhookTransport
from chassis.clock import Clock
from chassis.health import health_blueprint
from chassis.metrics.service_metrics import metrics_of
from chassis.openapi.endpoint import openapi_blueprint
from chassis.problem_details import install_problem_details, problem_response
from chassis.request_context import install_request_context
from chassis.sql.pool_usage import connections_in_use, max_connections
from chassis.startup import settings_or_exit
from contract.keys import secret_id
from contract.problems import Refused
from contract.revocation import EPOCH

_log = structlog.get_logger("store")

BACKGROUND_THREADS = 3
"""Background threads of a process that use the database: republishing, retention and the sending of mails.

The threads of webhooks share one more connection, because each uses it for milliseconds between two requests.
"""


def create_app(settings: AuthSettings | None = None, *, clock: Clock = time.time) -> Flask:
    """Return the service as a WSGI application. Without `settings`, read the environment and exit if it is invalid.

    gunicorn_conf.py starts the background threads, because threads do not survive a fork.
    """
    settings = settings or settings_or_exit(AuthSettings, os.environ)
    # Flask-SQLAlchemy resolves a relative SQLite path against the instance folder; users mean the working directory.
    app = Flask(__name__, static_folder=None, instance_path=str(Path.cwd()))
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # an attribute of the default provider, not of its base
    # /auth/users and /auth/users/ are one resource, without a redirect: a redirected POST loses its body.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    install_request_context(app)
    install_problem_details(app)
    app.register_error_handler(StoreUnavailable, _store_unavailable)
    url = settings.database_url.get_secret_value()
    engine = open_database(app, url, settings.auth_threads + BACKGROUND_THREADS + bool(settings.webhooks))
    AccessTokens(app)
    count_requests(app)
    _services(app, settings, engine, clock).register_in(app.extensions)
    app.register_blueprint(
        health_blueprint({"database": check_database_answers}, optional_checks={"redis": _check_redis})
    )
    app.register_blueprint(key_endpoints)
    app.register_blueprint(internal_endpoints)
    app.register_blueprint(auth_api)
    app.register_blueprint(openapi_blueprint(auth_document))
    if settings.pages:
        install_pages(app, settings.page_templates, STAFF_PAGES if settings.admin_pages else {})
    return app


def _services(app: Flask, settings: AuthSettings, engine: Engine, clock: Clock) -> Services:
    """Create the services of `app` and connect them."""
    dispatcher = Dispatcher()
    mail_for = _notices(settings).mail_for
    subscriptions = settings.subscriptions()
    stores = sql_stores(
        engine,
        settings.refresh_policy,
        dispatcher.dispatch,
        client_of_request,
        mail_for,
        subscriptions.deliveries_for,
    )
    users, sessions, audit, outbox, imports, foreign_tokens, directory, key_uses, webhook_outbox = stores
    redis = RedisClient(settings.redis_url.get_secret_value())
    blacklist, feed = Blacklist(redis), RevocationFeed(redis, sessions, clock=clock)
    metrics = metrics_of(app)
    _subscribe(dispatcher, feed, blacklist, EventMetrics(metrics.registry))

    keys, refresh_secrets = settings.key_ring(), settings.refresh_secrets()
    issuer_and_audience = {"issuer": settings.token_issuer, "audience": settings.access_audience}
    reader = TokenReader(keys, refresh_secrets, **issuer_and_audience, clock=clock)
    lifetimes = Lifetimes(
        settings.access_token_lifetime, settings.refresh_token_lifetime, settings.access_lifetime_jitter
    )
    issuer = Issuer(
        lambda: keys.current().signing,
        lambda: refresh_secrets.current()[0].encode(),
        **issuer_and_audience,
        lifetimes=lifetimes,
    )
    passwords = Passwords(
        settings.hash_cost,
        max_running=settings.hash_concurrency,
        max_waiting=settings.hash_queue,
        max_wait=settings.hash_max_wait,
        release_connection=release_connection,
        foreign_schemes=(settings.foreign_hashes,),
    )
    throttle = LoginThrottle(
        AttemptCounters(redis),
        settings.throttle_rates,
        issuer.pseudonym,
        DeviceTokens(refresh_secrets.current, clock),
    )
    decoys = Decoys(lambda: imports.hash_sample(SAMPLE_SIZE), issuer.pseudonym, settings.hash_cost.prefix, clock)
    claims_hook = _claims_hook(settings, metrics.registry)
    exchange = TokenExchange(
        SimpleJwtReader(settings.simplejwt, clock),
        foreign_tokens,
        sessions,
        issuer,
        claims_hook,
        settings.refresh_policy,
        settings.session_lifetime,
        clock,
    )
    grants = Grants(
        users=users,
        sessions=sessions,
        audit=audit,
        passwords=passwords,
        decoys=decoys,
        issuer=issuer,
        reader=reader,
        exchange=exchange,
        blacklist=blacklist,
        throttle=throttle,
        breached_at_login=settings.password_breaches if settings.breached_at_login else None,
        claims_hook=claims_hook,
        dispatch=dispatcher.dispatch,
        policy=settings.refresh_policy,
        session_lifetime=settings.session_lifetime,
        max_sessions=settings.max_sessions_per_user,
        clock=clock,
    )
    retention = Retention(
        audit,
        sessions,
        outbox,
        foreign_tokens,
        webhook_outbox,
        audit_retention=settings.audit_retention * DAY,
        webhook_retention=settings.webhook_retention * DAY,
        clock=clock,
    )
    mail_tokens = MailTokens(refresh_secrets.current, settings.mail_token_lifetime)
    composer = Composer(mail_design(settings), users, mail_tokens)
    mail_metrics = MailMetrics(metrics.registry)
    mail_sender = MailSender(outbox, composer, open_transport(settings), clock, count=mail_metrics.count)
    observed = Observed(passwords, redis, feed, outbox, lambda: connections_in_use(engine), max_connections(engine))
    ServiceGauges(metrics.registry, observed, clock).add_to(metrics)

    key_use = KeyUse(
        key_uses,
        lambda: (
            (keys.current().signing.public.kid, settings.access_token_lifetime),
            (secret_id(refresh_secrets.current()[0]), settings.longest_refresh_use),
        ),
        clock,
    )

    def record_key_use_and_republish() -> bool:
        key_use.record_if_due()
        blacklist.flush()
        published = feed.republish()
        decoys.reload_if_due()
        return published

    return Services(
        settings=settings,
        clock=clock,
        keys=keys,
        peer_secrets=settings.peer_secrets(),
        users=users,
        sessions=sessions,
        audit=audit,
        imports=imports,
        directory=directory,
        key_uses=key_uses,
        key_use=key_use,
        administration=UserAdministration(
            users, sessions, audit, client_of_request, clock, RoleProtection(frozenset(settings.protected_roles))
        ),
        gateways=GatewayStates(settings.gateway_internal_addresses),
        figures=FigureReader(directory, sessions, audit, outbox, clock),
        passwords=passwords,
        password_rules=settings.password_rules,
        reader=reader,
        exchange=exchange,
        grants=grants,
        throttle=throttle,
        browser_sessions=BrowserSessions(grants, users, sessions, issuer, settings.refresh_token_lifetime, clock),
        redis=redis,
        outbox=outbox,
        mail_tokens=mail_tokens,
        mail_sender=mail_sender,
        sending=PeriodicJob(app, "sending", SENDING_INTERVAL, mail_sender.send_due),
        republishing=PeriodicJob(app, "republishing", REPUBLISH_INTERVAL, record_key_use_and_republish),
        retention=PeriodicJob(app, "retention", RETENTION_INTERVAL, retention.delete_expired),
        webhooks=_webhooks(app, settings, subscriptions, webhook_outbox, clock),
    )


def _claims_hook(settings: AuthSettings, registry: CollectorRegistry) -> ClaimsHook | None:
    function = settings.claims_function
    if function is None:
        return None
    return ClaimsHook(function, settings.claims_hook_timeout, ClaimsHookMetrics(registry).count)


def _webhooks(
    app: Flask, settings: AuthSettings, subscriptions: Subscriptions, outbox: WebhookOutbox, clock: Clock
) -> Webhooks:
    metrics = metrics_of(app)
    webhook_metrics = WebhookMetrics(metrics.registry, outbox, subscriptions, clock)
    webhook_metrics.add_to(metrics)
    transport = WebhookTransport(allow_private=settings.allows_private_endpoints)
    sender = WebhookSender(outbox, subscriptions, transport, clock, count=webhook_metrics.count)
    return Webhooks(subscriptions, outbox, sender, WebhookJobs(app, sender, subscriptions))


def _notices(settings: AuthSettings) -> Notices:
    return Notices(
        confirmation=settings.send_confirmation_email,
        password_changed=settings.password_changed_email_confirmation,
        email_changed=settings.email_changed_email_confirmation,
    )


def _subscribe(
    dispatcher: Dispatcher, feed: RevocationFeed, blacklist: Blacklist, event_metrics: EventMetrics
) -> None:
    dispatcher.subscribe(Event, log_events)
    dispatcher.subscribe(Event, event_metrics.count)
    dispatcher.subscribe(SessionEnded, feed.publish)
    dispatcher.subscribe(SessionEnded, blacklist.add_ended_sessions)
    dispatcher.subscribe(TokensRefreshed, blacklist.add_used_tokens)


def _check_redis() -> None:
    services().redis.call(lambda redis: redis.exists(EPOCH))  # in a Cluster, PING needs every node


def _store_unavailable(error: StoreUnavailable) -> ResponseReturnValue:
    _log.error("store_unavailable", error=str(error))
    return problem_response(Refused("store_unavailable", retry_after=STORE_RETRY_SECONDS))
