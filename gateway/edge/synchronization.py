"""`gateway edge sync`: build the synchronizer with the gateway's revocation feed and keys, and run it."""

import asyncio
import logging
import signal
import time
from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry

from chassis.secret_rotation.watched_secret import watched_secrets
from gateway.auth_service_address import auth_address
from gateway.edge.folder import EdgeFolder
from gateway.edge.identity_secrets import secret_lines
from gateway.edge.synchronizer import Synchronizer
from gateway.redis_clients import revocation_feed_redis
from gateway.routing.loader import load_routes
from gateway.settings import GatewaySettings
from gateway.tokens.auth_client import AuthClient, auth_upstream
from gateway.tokens.jwks import JWKS_PATH
from gateway.tokens.revocation_feed import RevocationFeed
from gateway.tokens.revocations import Revocations
from gateway.tokens.verification_keys import VerificationKeys
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from gateway.upstreams.registry import UpstreamRegistry
from gateway.upstreams.resolver import resolve_by_system, resolve_first


def synchronize(settings: GatewaySettings, folder: EdgeFolder, environ: Mapping[str, str]) -> None:
    """Keep HAProxy current until SIGTERM or SIGINT. Raises RoutesError or SettingsError."""
    with suppress(asyncio.CancelledError):
        asyncio.run(_run(settings, folder, environ))


async def _run(settings: GatewaySettings, folder: EdgeFolder, environ: Mapping[str, str]) -> None:
    table = load_routes(
        settings.gateway_routes, environ=environ, data_dir=settings.data_dir, login_url=settings.login_url
    )
    changed = asyncio.Event()
    revocations = Revocations(fail_closed=settings.revocation_fail == "closed", on_added=changed.set)
    feed = RevocationFeed(revocation_feed_redis(settings.redis_url.get_secret_value()), revocations, time.time)
    auth, balancer, calls = _auth_client(settings)
    keys = VerificationKeys(lambda: auth.get(JWKS_PATH), time.time, settings.jwks_max_age)
    synchronizer = Synchronizer(
        folder,
        feed,
        revocations,
        keys,
        lambda: folder.write(folder.secrets, secret_lines(table.upstreams()), private=True),
        changed,
        time.time,
    )
    resolvers = calls.resolvers(resolve_by_system, balancer)
    await resolve_first(resolvers)
    work = (synchronizer.keep_current, feed.follow, keys.keep_fresh, calls.keep_sweeping)
    tasks = [asyncio.create_task(run()) for run in (*work, *(resolver.keep_resolving for resolver in resolvers))]
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, tasks[0].cancel)
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _auth_client(settings: GatewaySettings) -> tuple[AuthClient, Balancer, UpstreamRegistry]:
    """Return the client of the auth service, its balancer, and the registry that enforces its deadlines."""
    address, monotonic = auth_address(settings), time.monotonic
    metrics = UpstreamMetrics(CollectorRegistry())
    upstream = auth_upstream(address)
    balancer = Balancer(upstream, UpstreamEvents(upstream, metrics, monotonic, logging.INFO), monotonic)
    client = AuthClient(balancer, watched_secrets(settings, "peer_secret"), time.time)
    return client, balancer, UpstreamRegistry((), balancer, metrics, monotonic)
