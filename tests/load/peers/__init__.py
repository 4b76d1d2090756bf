"""The servers that are compared, in the order of the report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.load.measuring.processes import Process, Processes
from tests.load.peers import edge, envoy, fastify, haproxy, nginx, python_gateways, sallyport
from tests.load.peers.setup import PeerSetup


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to measure. `start` starts it on a port; `tokens` describes how it verifies tokens, for the report.

    `unavailable` returns the reason why it cannot run on this machine, or an empty string.
    """

    name: str
    tokens: str
    start: Callable[[Processes, PeerSetup, int], Process]
    unavailable: Callable[[], str]


PLAIN = "nginx, plain proxy"
NGINX_KEEPALIVE = "nginx, upstream keep-alive"
SALLYPORT = "Sallyport"
UNCOUNTED = "Sallyport, no metrics"
UNOBSERVED = "Sallyport, no metrics and no log"
SAMPLED = "Sallyport, 1 % of traces"
EDGE = "Sallyport behind its edge"
INTERPRETED = "Sallyport, interpreted"
EARLIER = "Sallyport, earlier"
HAPROXY = "HAProxy"
ENVOY = "Envoy"
FASTIFY = "fastify"
FASTIFY_CACHED = "fastify, cached"
FASTAPI = "FastAPI + httpx"
FLASK = "Flask + requests"

PEERS = (
    Peer(PLAIN, "none: it forwards", nginx.start_plain, nginx.unavailable),
    Peer(NGINX_KEEPALIVE, "none: it forwards", nginx.start_keepalive, nginx.unavailable),
    Peer(SALLYPORT, "verified once, then cached; revocations known", sallyport.start, sallyport.unavailable),
    Peer(UNCOUNTED, "as Sallyport", sallyport.start_uncounted, sallyport.unavailable),
    Peer(UNOBSERVED, "as Sallyport", sallyport.start_unobserved, sallyport.unavailable),
    Peer(SAMPLED, "as Sallyport", sallyport.start_traced, sallyport.unavailable),
    Peer(
        INTERPRETED,
        "verified once, then cached; revocations known",
        sallyport.start_interpreted,
        sallyport.unavailable,
    ),
    Peer(EDGE, "first use: the gateway; then verified each time; revocations known", edge.start, edge.unavailable),
    Peer(HAPROXY, "verified each time; revocations not known", haproxy.start, haproxy.unavailable),
    Peer(ENVOY, "verified once, then cached; revocations not known", envoy.start, envoy.unavailable),
    Peer(FASTIFY, "verified each time; Redis queried each time", fastify.start_checking, fastify.unavailable),
    Peer(
        FASTIFY_CACHED, "verified once, then cached; revocations not known", fastify.start_cached, fastify.unavailable
    ),
    Peer(
        FASTAPI,
        "verified each time; Redis queried each time",
        python_gateways.start_fastapi,
        python_gateways.fastapi_unavailable,
    ),
    Peer(
        FLASK,
        "verified each time; Redis queried each time",
        python_gateways.start_flask,
        python_gateways.flask_unavailable,
    ),
)


def earlier(checkout: Path) -> Peer:
    """Return Sallyport as it is in another checkout, to compare two versions in one run."""
    return Peer(
        EARLIER,
        "verified once, then cached; revocations known",
        sallyport.start_from(checkout.resolve()),
        sallyport.unavailable,
    )
