"""Prometheus metrics of the upstreams: failures, excluded addresses and circuit states."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.upstreams.circuit_breaker import CircuitState

_CIRCUIT_VALUES: dict[CircuitState, int] = {"closed": 0, "half-open": 1, "open": 2}


class UpstreamMetrics:
    """The metrics of all upstreams in one worker. A failure series exists from the first failure on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._failures = Counter(
            "sallyport_gateway_upstream_failures",
            "Failed exchanges with an address, by reason.",
            ["upstream", "address", "reason"],
            registry=registry,
        )
        self._excluded = Gauge(
            "sallyport_gateway_upstream_address_out",
            "1 while a worker sends the address no requests, because it is ejected or fails its health checks.",
            ["upstream", "address"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._circuits = Gauge(
            "sallyport_gateway_upstream_circuit",
            "The circuit of an upstream, the highest value among the workers: 0 closed, 1 half-open, 2 open.",
            ["upstream"],
            multiprocess_mode="livemax",
            registry=registry,
        )

        self._connections = Gauge(
            "sallyport_gateway_upstream_connections",
            "Connections to an upstream, of all workers, by state: in_use or idle.",
            ["upstream", "state"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._connections_limit = Gauge(
            "sallyport_gateway_upstream_connections_limit",
            "Connections that the workers may use together; further requests are answered 503.",
            ["upstream"],
            multiprocess_mode="livesum",
            registry=registry,
        )

    def set_connections(self, upstream: str, *, in_use: int, idle: int, limit: int) -> None:
        """Set the numbers of connections to an upstream."""
        self._connections.labels(upstream, "in_use").set(in_use)
        self._connections.labels(upstream, "idle").set(idle)
        self._connections_limit.labels(upstream).set(limit)

    def count_failure(self, upstream: str, address: str, reason: str) -> None:
        """Count one failed exchange."""
        self._failures.labels(upstream, address, reason).inc()

    def set_excluded(self, upstream: str, address: str, *, excluded: bool) -> None:
        """Set whether the address gets no requests."""
        self._excluded.labels(upstream, address).set(excluded)

    def set_circuit(self, upstream: str, state: CircuitState) -> None:
        """Set the state of an upstream's circuit."""
        self._circuits.labels(upstream).set(_CIRCUIT_VALUES[state])
