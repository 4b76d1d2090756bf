"""Owns what Prometheus is told of the upstreams: failures as they happen, and who is out at the moment."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.upstreams.circuit_breaker import State

_CIRCUIT = {"closed": 0, "half-open": 1, "open": 2}


class UpstreamMetrics:
    """What one worker has seen of every upstream. Nothing is counted where nothing fails."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._failures = Counter(
            "sallyport_gateway_upstream_failures",
            "Exchanges with an address that it left without an answer, by reason.",
            ["upstream", "address", "reason"],
            registry=registry,
        )
        self._out = Gauge(
            "sallyport_gateway_upstream_address_out",
            "1 while a worker leaves the address out: ejected, or unhealthy by its checks.",
            ["upstream", "address"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._circuit_breaker = Gauge(
            "sallyport_gateway_upstream_circuit",
            "An upstream's circuit, as the worker sees it that thinks worst of it: 0 closed, 1 half-open, 2 open.",
            ["upstream"],
            multiprocess_mode="livemax",
            registry=registry,
        )

    def count_failure(self, upstream: str, address: str, reason: str) -> None:
        """Counts one."""
        self._failures.labels(upstream, address, reason).inc()

    def show_address(self, upstream: str, address: str, *, out: bool) -> None:
        """Says whether the address is left out."""
        self._out.labels(upstream, address).set(out)

    def show_circuit(self, upstream: str, state: State) -> None:
        """Says how the circuit is."""
        self._circuit_breaker.labels(upstream).set(_CIRCUIT[state])
