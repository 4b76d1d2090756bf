"""Wires the gateway: here alone its parts are chosen and joined."""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from a2wsgi import WSGIMiddleware
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chassis.clock import Clock
from chassis.startup import settings_or_exit
from gateway.auth_service_address import auth_address
from gateway.browser_sessions.sessions import BrowserSessions
from gateway.browser_sessions.tickets import Tickets
from gateway.endpoints.flask_app import create_gateway_endpoints, endpoint_paths, internal_endpoints
from gateway.endpoints.session import SessionEndpoints
from gateway.endpoints.session_cookie import SessionCookie
from gateway.endpoints.ticket import ticket_endpoints
from gateway.http.default_response_headers import default_response_lines
from gateway.http.gateway_paths import GatewayPaths
from gateway.http.via import Via
from gateway.observability.access_log import AccessLog
from gateway.observability.event_loop_lag import EventLoopLag
from gateway.observability.metrics import Metrics
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.authenticators.registry import authenticators
from gateway.pipeline.authenticators.session_cookie import SessionCookieAuthenticator
from gateway.pipeline.cors import Cors
from gateway.pipeline.forwarded_credentials import CredentialForwarding
from gateway.pipeline.identity_headers import IdentityHeaders
from gateway.pipeline.pipeline import Pipeline
from gateway.proxy.dispatcher import Dispatcher
from gateway.proxy.gateway_endpoints import GatewayEndpoints
from gateway.proxy.open_streams import OpenStreams
from gateway.rate_limits.limiter import RateLimiter, SessionLimit
from gateway.rate_limits.redis_sync import SharedCounters
from gateway.routing.active_routes import ActiveRoutes
from gateway.routing.loader import load_routes
from gateway.server.client_address import TrustedProxies
from gateway.server.malformed_requests import MalformedRequests
from gateway.server.proxy_protocol import ProxyProtocol
from gateway.server.request_cycle import Message
from gateway.settings import GatewaySettings
from gateway.tokens.auth_client import AuthClient, auth_upstream
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
from gateway.upstreams.resolver import NameResolver, Resolve, resolve_by_system, resolve_first
from gateway.worker.background_tasks import BackgroundTasks
from gateway.worker.graceful_shutdown import GracefulShutdown
from gateway.worker.loop_bridge import LoopBridge

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
JWKS_PATH = "/.well-known/jwks.json"
PATIENCE = 3.0
"""Seconds that a new worker waits for keys and revocations."""


class Gateway:
    """One worker's gateway: to the server an ASGI application that lives and ends, to its protocol what answers.

    `notice` is how many seconds lie between the announced departure and its taking effect.
    """

    def __init__(
        self,
        knows_enough: Callable[[], bool],
        departure: GracefulShutdown,
        notice: float,
        proxy: Dispatcher,
        streams: OpenStreams,
        background: BackgroundTasks,
        resolvers: Sequence[NameResolver],
        upstreams: UpstreamRegistry,
        bridge: LoopBridge,
        access_log: AccessLog,
        trusted_proxies: TrustedProxies,
        proxy_protocol: ProxyProtocol,
        malformed_requests: MalformedRequests,
        standing: Mapping[str, bytes],
        unread_bytes: int,
    ) -> None:
        self.begin = proxy.begin
        self.gateway_paths = proxy.gateway_paths
        self.next_request_id = proxy.next_request_id
        self.request_head_cache = proxy.request_head_cache
        self.trusted_proxies = trusted_proxies
        self.proxy_protocol = proxy_protocol
        self.malformed_requests = malformed_requests
        self.default_response_lines = standing
        self.unread_bytes = unread_bytes
        self.graceful_shutdown = departure
        self.end_streams = streams.end_all
        self.notice = notice
        self._knows_enough = knows_enough
        self._background_tasks = background
        self._resolvers = resolvers
        self._upstreams = upstreams
        self._bridge = bridge
        self._access_log = access_log

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Starts and stops with the worker. Requests do not come this way: ServerProtocol calls `begin`."""
        if scope["type"] != "lifespan":
            raise RuntimeError("the gateway is served by gateway.worker.gunicorn_worker.GatewayWorker alone")
        await receive()
        self._bridge.attach(asyncio.get_running_loop())
        await resolve_first(self._resolvers)
        self._background_tasks.start()
        await self._learn()
        # What is there by now stays: a full collection, which stops everything, takes 2 ms without it and 50 with it.
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._background_tasks.stop()
        self._upstreams.close()
        self._access_log.flush()
        await send({"type": "lifespan.shutdown.complete"})

    async def _learn(self) -> None:
        """A worker takes requests once it has keys and revocations: until then the ones beside it do.

        Not for ever: where they cannot be had, it serves what it can, and /readyz says what is missing.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not self._knows_enough():  # noqa: ASYNC110 - two parts learn, and neither tells when
                    await asyncio.sleep(0.01)


def create_app(
    settings: GatewaySettings | None = None,
    *,
    routes: ActiveRoutes | None = None,
    environ: Mapping[str, str] = os.environ,
    clock: Clock = time.time,
    monotonic: Clock = time.monotonic,
    resolve: Resolve = resolve_by_system,
) -> Gateway:
    """A gateway as `settings` say, or else `environ`. Without `routes` it reads the routes file by itself."""
    settings = settings or settings_or_exit(GatewaySettings, environ)
    file, data_dir = settings.gateway_routes, settings.data_dir
    routes = routes or ActiveRoutes(lambda: load_routes(file, environ=environ, data_dir=data_dir))
    table = routes.table if settings.rate_limits else routes.table.without_limits()
    keys = VerificationKeys(lambda: auth.get(JWKS_PATH), clock, settings.jwks_max_age)
    revocations = Revocations(fail_closed=settings.revocation_fail == "closed")
    redis = _redis(settings)
    feed = RevocationFeed(redis, revocations, clock)
    metrics = Metrics(feed, revocations, clock)
    upstream_metrics = UpstreamMetrics(metrics.registry)
    auth_service = auth_upstream(auth_address(settings))
    auth_events = UpstreamEvents(auth_service, upstream_metrics, monotonic, logging.INFO)
    auth_balancer = Balancer(auth_service, auth_events, monotonic)
    auth = AuthClient(auth_balancer, settings.peer_secret.get_secret_value(), clock)
    metrics.set_routes(table.version, reload_failed=routes.reload_failed)
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
    )
    sessions = BrowserSessions(auth.post, clock, settings.verified_tokens)
    cookie = SessionCookie(settings.session_cookie_secure)
    tickets = Tickets(_redis_of_tickets(settings), settings.peer_secret.get_secret_value(), clock)
    session_cookie = SessionCookieAuthenticator(
        token_verifier, sessions, clear_cookie=cookie.clearing, allowed_origins=settings.origins
    )
    authentication = AuthenticateStage(
        authenticators(token_verifier, TokenRefresher(auth.post), session_cookie, tickets, clock), token_verifier
    )
    counters = SharedCounters(_redis_of_counts(settings), clock, metrics.set_counting_alone)
    rate_limiter = RateLimiter(counters, clock)
    pipeline = Pipeline(
        table,
        authentication,
        CredentialForwarding(authentication, session_cookie, settings.peer_secret.get_secret_value()),
        cookie.name,
        IdentityHeaders(settings.verified_tokens),
        rate_limiter,
        Via(settings.gateway_name),
        clock,
        metrics.count_withheld_fields,
        settings.request_limits,
    )
    event_loop_lag = EventLoopLag(metrics.registry, monotonic)
    upstreams = UpstreamRegistry(table.upstreams(), auth_balancer, upstream_metrics, monotonic, event_loop_lag.record)
    streams = OpenStreams(token_verifier.confirm, session_cookie.renew, clock, settings.gateway_streams)
    access_log = AccessLog(clock, every=settings.access_log)
    bridge = LoopBridge()
    departure = GracefulShutdown()
    own = create_gateway_endpoints(
        {"departure": departure.check, "signing keys": keys.check, "revocations": feed.check},
        internal_endpoints(metrics),
        SessionEndpoints(sessions, session_cookie, cookie, settings.origins, clock, bridge.wait_for).blueprint(),
        ticket_endpoints(authentication, cookie.name, tickets, bridge.wait_for),
    )
    proxy = Dispatcher(
        pipeline,
        upstreams,
        streams,
        GatewayEndpoints(
            WSGIMiddleware(own),  # type: ignore[arg-type]  # a2wsgi names environ's type more narrowly than WSGI does
            SessionLimit(rate_limiter, settings.session_rate if settings.rate_limits else None),
            metrics.count_withheld_fields,
            settings.request_limits,
        ),
        GatewayPaths(
            endpoint_paths(own, internal=False),
            endpoint_paths(own, internal=True),
            settings.gateway_internal_bind,
            settings.gateway_forward_auth,
        ),
        Cors(settings.origins, settings.cors_max_age, settings.request_limits),
        metrics,
        access_log if settings.access_log else None,
        clock,
        websocket_idle=settings.websocket_idle,
    )
    resolvers = upstreams.resolvers(resolve, auth_balancer)
    jobs = (
        keys.keep_fresh,
        feed.follow,
        counters.keep_sharing,
        tickets.close_when_cancelled,
        usage_reports.keep_reporting,
        upstreams.keep_sweeping,
        streams.keep_checking,
        metrics.keep_transferring,
        access_log.keep_flushing,
        *(health.keep_checking for health in upstreams.health_checks()),
        *(names.keep_resolving for names in resolvers),
    )
    return Gateway(
        lambda: keys.loaded and feed.loaded,
        departure,
        settings.gateway_notice,
        proxy,
        streams,
        BackgroundTasks(jobs),
        resolvers,
        upstreams,
        bridge,
        access_log,
        TrustedProxies(settings.trusted_proxies),
        ProxyProtocol(settings.proxy_protocol, settings.gateway_internal_bind),
        MalformedRequests(metrics.count_malformed, clock),
        default_response_lines(
            settings.gateway_name,
            hsts_max_age=settings.hsts_max_age,
            hsts_subdomains=settings.hsts_include_subdomains,
            varies_by_origin=bool(settings.origins),
        ),
        settings.request_limits.unread_bytes,
    )


def _redis(settings: GatewaySettings) -> "Redis":
    # The feed waits up to a second for news, so the time-out is longer than that; no request waits on it.
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        encoding_errors="replace",  # a record that is no UTF-8 must not stop the feed
        socket_timeout=3,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),  # the feed has to know of every gap
    )


def _redis_of_counts(settings: GatewaySettings) -> "Redis":
    # Requests near a limit wait for it: so shortly, once, and then without it.
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=0.2,
        socket_connect_timeout=0.2,
        retry=Retry(NoBackoff(), 0),
    )


def _redis_of_tickets(settings: GatewaySettings) -> "Redis":
    # A few connections that many requests take in turn: a burst of streams that come back makes no burst of them.
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=4,
        timeout=1,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)
