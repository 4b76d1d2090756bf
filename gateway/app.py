"""The application factory: create_app builds the parts of a worker and connects them."""

import logging
import os
import time
from collections.abc import Mapping

from a2wsgi import WSGIMiddleware

from chassis.clock import Clock
from chassis.secret_rotation.watched_secret import watched_secrets
from chassis.startup import settings_or_exit
from gateway.api_description.endpoints import describe_api
from gateway.auth_service_address import auth_address
from gateway.browser_sessions.page_sessions import PageSessions, SessionCookieValues
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.browser_sessions.tickets import Tickets
from gateway.development.development import Development
from gateway.development.fault_switch import FaultSwitch
from gateway.endpoints.app_files import APP_PATH, app_files
from gateway.endpoints.flask_app import create_gateway_endpoints, endpoint_paths, internal_endpoints
from gateway.endpoints.session import SessionEndpoints
from gateway.endpoints.session_cookie import SessionCookie
from gateway.endpoints.ticket import ticket_endpoints
from gateway.http.default_response_headers import default_response_lines
from gateway.http.gateway_paths import GatewayPaths
from gateway.http.via import Via
from gateway.observability.access_log import AccessLog, line_writer
from gateway.observability.authentication_metrics import AuthenticationMetrics
from gateway.observability.event_loop_lag import EventLoopLag
from gateway.observability.metrics import Metrics
from gateway.observability.worker_metrics import Observed, WorkerMetrics
from gateway.observability.worker_tracing import worker_tracing
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.registry import authenticators
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.cors import Cors
from gateway.pipeline.forwarded_credentials import CredentialForwarding
from gateway.pipeline.identity_headers import IdentityHeaders, cached_assertions
from gateway.pipeline.match import MatchStage
from gateway.pipeline.pipeline import Pipeline
from gateway.proxy.dispatcher import Dispatcher
from gateway.proxy.gateway_endpoints import GatewayEndpoints
from gateway.proxy.open_streams import OpenStreams
from gateway.rate_limits.limiter import RateLimiter, SessionEndpointsRateLimit
from gateway.rate_limits.redis_sync import SharedCounters
from gateway.redis_clients import rate_limit_redis, revocation_feed_redis, ticket_redis
from gateway.routing.active_routes import ActiveRoutes
from gateway.routing.loader import load_routes
from gateway.server.client_address import TrustedProxies
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.proxy_protocol import ProxyProtocol
from gateway.server.request_head_cache import RequestHeadCache
from gateway.settings import GatewaySettings
from gateway.tokens.auth_client import AuthClient, auth_upstream
from gateway.tokens.foreign_tokens import ForeignTokens
from gateway.tokens.jwks import JWKS_PATH
from gateway.tokens.refresh import TokenRefresher
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import Revocations
from gateway.tokens.usage_reports import UsageReports
from gateway.tokens.verification_keys import VerificationKeys
from gateway.tokens.verifier import TokenVerifier
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from gateway.upstreams.registry import UpstreamRegistry
from gateway.upstreams.resolver import Resolve, resolve_by_system
from gateway.worker.background_tasks import BackgroundTasks
from gateway.worker.graceful_shutdown import GracefulShutdown
from gateway.worker.loop_bridge import LoopBridge
from gateway.worker.secret_watch import SecretWatch
from gateway.worker_application import Gateway


def create_app(
    settings: GatewaySettings | None = None,
    *,
    routes: ActiveRoutes | None = None,
    fault_switch: FaultSwitch | None = None,
    environ: Mapping[str, str] = os.environ,
    clock: Clock = time.time,
    monotonic: Clock = time.monotonic,
    resolve: Resolve = resolve_by_system,
) -> Gateway:
    """Return a gateway with `settings`. Without them, read `environ` and exit with status 2 if it is invalid.

    Without `routes`, the routes file is read here. In development, the workers share `fault_switch`; without it, this
    worker has its own. `resolve` looks up the names of upstreams.
    """
    settings = settings or settings_or_exit(GatewaySettings, environ)
    redis_url, peer_secrets = settings.redis_url.get_secret_value(), watched_secrets(settings, "peer_secret")

    # In development, some parts are replaced. Otherwise nothing of gateway/development is in the path of a request.
    development = Development(settings, fault_switch or FaultSwitch(clock), clock) if settings.development else None

    # Routes
    file, data_dir = settings.gateway_routes, settings.data_dir
    routes = routes or ActiveRoutes(
        lambda: load_routes(file, environ=environ, data_dir=data_dir, login_url=settings.login_url)
    )
    table = routes.table if settings.rate_limits else routes.table.without_limits()

    # Revocations, and the metrics, which export the state of their feed
    revocations = Revocations(fail_closed=settings.revocation_fail == "closed")
    feed = RevocationFeed(revocation_feed_redis(redis_url), revocations, clock)
    metrics = Metrics(feed, revocations, clock)
    metrics.set_routes(table.version, reload_failed=routes.reload_failed)
    upstream_metrics = UpstreamMetrics(metrics.registry)
    event_loop_lag = EventLoopLag(metrics.registry, monotonic)
    access_log = AccessLog(clock, line_writer(settings.log_format), every=settings.access_log)
    tracing = worker_tracing(settings, settings.traceparent_from, clock)

    # Calls to the auth service
    auth_service = auth_upstream(auth_address(settings))
    keys = VerificationKeys(lambda: auth.get(JWKS_PATH), monotonic, settings.jwks_max_age)
    auth_events = UpstreamEvents(auth_service, upstream_metrics, monotonic, logging.INFO, keys.is_starting)
    auth_balancer = Balancer(auth_service, auth_events, monotonic)
    auth = AuthClient(auth_balancer, peer_secrets, clock, spans=tracing.calls if tracing else None)

    # Access tokens
    usage_reports = UsageReports(auth.post)
    token_verifier = TokenVerifier(
        keys,
        revocations,
        usage_reports.add,
        clock,
        issuer=settings.token_issuer,
        audience=settings.access_audience,
        size=settings.verified_tokens,
        leeway=settings.access_token_leeway,
        foreign=ForeignTokens(auth.post, clock, settings.simplejwt_until),
        extra_claims=settings.identity_claims,
    )

    # Credentials: browser sessions, tickets and refresh tokens
    sessions = BrowserSessions(auth.post, clock, settings.verified_tokens)
    cookie = SessionCookie(settings.session_cookie_secure)
    endpoints_redis = ticket_redis(redis_url)
    tickets = Tickets(endpoints_redis, peer_secrets, clock)
    session_cookie = SessionCookieAuthenticator(
        token_verifier, sessions, clear_cookie=cookie.clearing, allowed_origins=settings.origins
    )
    refresher = TokenRefresher(auth.post)
    registry = development.authenticators(sessions) if development else authenticators
    authentication = AuthenticateStage(
        registry(token_verifier, refresher, session_cookie, tickets, clock),
        token_verifier,
        registry(token_verifier, refresher, session_cookie.accepting_forms(), tickets, clock),
    )
    credential_forwarding = development.credential_forwarding if development else CredentialForwarding

    # Pipeline
    identity_headers = IdentityHeaders(cached_assertions(settings.verified_tokens))
    secret_watch = SecretWatch([peer_secrets, *(one.signer for one in table.upstreams())], identity_headers.forget)
    counters = SharedCounters(rate_limit_redis(redis_url), clock, metrics.set_rate_limits_local)
    rate_limiter = RateLimiter(counters, clock)
    match_stage = MatchStage(
        table,
        authentication,
        cookie.name,
        Via(settings.gateway_name),
        metrics.count_withheld_fields,
        settings.request_limits,
        forwards_trace_fields=tracing is None,
    )
    pipeline = Pipeline(
        match_stage,
        authentication,
        credential_forwarding(
            authentication,
            session_cookie,
            PageSessions(sessions, SessionCookieValues(cookie.setting, cookie.clearing), peer_secrets, clock),
            peer_secrets,
        ),
        identity_headers,
        rate_limiter,
        clock,
    )

    # Upstreams and streams
    upstreams = UpstreamRegistry(table.upstreams(), auth_balancer, upstream_metrics, monotonic, event_loop_lag.record)
    streams = OpenStreams(token_verifier.confirm, session_cookie.renew, clock, settings.gateway_streams)
    resolvers = upstreams.resolvers(resolve, auth_balancer)

    # What the metrics read from these parts once a second
    observed = Observed(
        cache_misses={
            "tokens": lambda: token_verifier.cache_misses,
            "assertions": lambda: identity_headers.cache_misses,
            "request_heads": lambda: match_stage.cache_misses,
            "response_heads": upstreams.response_head_misses,
        },
        open_streams=lambda: len(streams),
        max_streams=settings.gateway_streams,
        pending_usage_reports=lambda: len(usage_reports),
    )
    metrics.update_at_transfer(WorkerMetrics(metrics.registry, observed).export)
    metrics.update_at_transfer(AuthenticationMetrics(metrics.registry, pipeline.authentications).export)
    metrics.update_at_transfer(upstreams.export_connections)

    # The gateway's own endpoints
    app = app_files(settings.app_dir, table)
    bridge = LoopBridge()
    graceful_shutdown = GracefulShutdown()
    checks = {"graceful_shutdown": graceful_shutdown.check, "signing keys": keys.check, "revocations": feed.check}
    development_endpoints = (
        development.blueprints(checks, table, upstreams, app, endpoints_redis.ping, bridge.wait_for)
        if development
        else ()
    )
    api_description = describe_api(
        settings.api_docs_access, settings.login_url, table, upstreams, authentication, cookie.name, bridge.wait_for
    )
    flask_app = create_gateway_endpoints(
        checks,
        metrics,
        internal_endpoints(metrics),
        SessionEndpoints(sessions, session_cookie, cookie, settings.origins, clock, bridge.wait_for).blueprint(),
        ticket_endpoints(authentication, cookie.name, tickets, bridge.wait_for),
        *([app.blueprint()] if app else []),
        *api_description,
        *development_endpoints,
    )

    # Dispatcher
    dispatcher = (development.dispatcher if development else Dispatcher)(
        pipeline,
        upstreams,
        streams,
        GatewayEndpoints(
            WSGIMiddleware(flask_app),  # type: ignore[arg-type]  # a2wsgi declares a narrower type of environ than WSGI
            SessionEndpointsRateLimit(rate_limiter, settings.session_rate if settings.rate_limits else None),
            metrics.count_withheld_fields,
            settings.request_limits,
        ),
        GatewayPaths(
            endpoint_paths(flask_app, internal=False),
            endpoint_paths(flask_app, internal=True),
            settings.gateway_internal_bind,
            settings.gateway_forward_auth,
            (APP_PATH.encode(),) if app else (),
        ),
        Cors(settings.origins, settings.cors_max_age, settings.request_limits),
        metrics.requests if settings.gateway_internal_bind else None,  # else nobody can read them
        access_log if settings.access_log else None,
        clock,
        websocket_idle_timeout=settings.websocket_idle,
        tracing=tracing.requests if tracing else None,
    )

    background_tasks = (
        keys.keep_fresh,
        secret_watch.keep_checking,
        feed.follow,
        counters.keep_sharing,
        tickets.close_when_cancelled,
        usage_reports.keep_reporting,
        upstreams.keep_sweeping,
        streams.keep_checking,
        metrics.keep_transferring,
        access_log.keep_flushing,
        *((tracing.close_when_cancelled,) if tracing else ()),
        *(health.keep_checking for health in upstreams.health_checks()),
        *(resolver.keep_resolving for resolver in resolvers),
    )
    return Gateway(
        dispatcher,
        RequestHeadCache(settings.request_limits),
        is_loaded=lambda: keys.loaded and feed.loaded,
        graceful_shutdown=graceful_shutdown,
        notice_seconds=settings.gateway_notice,
        streams=streams,
        background_tasks=BackgroundTasks(background_tasks),
        resolvers=resolvers,
        upstreams=upstreams,
        bridge=bridge,
        access_log=access_log,
        trusted_proxies=TrustedProxies(settings.trusted_proxies),
        proxy_protocol=ProxyProtocol(settings.proxy_protocol, settings.gateway_internal_bind),
        malformed_requests=MalformedRequests(metrics.count_malformed, clock),
        default_response_lines=default_response_lines(
            settings.gateway_name,
            hsts_max_age=settings.hsts_max_age,
            hsts_subdomains=settings.hsts_include_subdomains,
            varies_by_origin=bool(settings.origins),
        ),
        max_bytes_outside_bodies=settings.request_limits.max_bytes_outside_bodies,
    )
