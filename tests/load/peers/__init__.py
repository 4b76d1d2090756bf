"""The servers that are compared with the gateway: a table, in the order of the report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.load.peers import envoy, fastify, haproxy, nginx, python_gateways, sallyport
from tests.load.peers.ground import Ground
from tests.load.processes import Process, Processes


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to measure: `start` starts it on a port; `lacks` returns why it cannot run here, or an empty string.

    `tokens` describes how it verifies tokens, which a reader needs to know for the comparison.
    """

    name: str
    tokens: str
    start: Callable[[Processes, Ground, int], Process]
    lacks: Callable[[], str]


PLAIN = "nginx, plain proxy"
NGINX_KEEPALIVE = "nginx, upstream keep-alive"
SALLYPORT = "Sallyport"
EARLIER = "Sallyport, earlier"
HAPROXY = "HAProxy"
ENVOY = "Envoy"
FASTIFY = "fastify"
FASTIFY_CACHED = "fastify, cached"
FASTAPI = "FastAPI + httpx"
FLASK = "Flask + requests"

PEERS = (
    Peer(PLAIN, "none: it forwards", nginx.start_plain, nginx.lacks),
    Peer(NGINX_KEEPALIVE, "none: it forwards", nginx.start_kept, nginx.lacks),
    Peer(SALLYPORT, "verified once, then cached; revocations known", sallyport.start, sallyport.lacks),
    Peer(HAPROXY, "verified each time; revocations not known", haproxy.start, haproxy.lacks),
    Peer(ENVOY, "verified once, then cached; revocations not known", envoy.start, envoy.lacks),
    Peer(FASTIFY, "verified each time; Redis queried each time", fastify.start_checking, fastify.lacks),
    Peer(FASTIFY_CACHED, "verified once, then cached; revocations not known", fastify.start_cached, fastify.lacks),
    Peer(
        FASTAPI,
        "verified each time; Redis queried each time",
        python_gateways.start_fastapi,
        python_gateways.lacks_fastapi,
    ),
    Peer(
        FLASK, "verified each time; Redis queried each time", python_gateways.start_flask, python_gateways.lacks_flask
    ),
)


def earlier(checkout: Path) -> Peer:
    """Return Sallyport as it is in another checkout, to compare two versions in one run."""
    return Peer(
        EARLIER,
        "verified once, then cached; revocations known",
        sallyport.start_from(checkout.resolve()),
        sallyport.lacks,
    )
