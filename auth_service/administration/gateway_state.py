"""The state of a gateway, read from its metrics: requests, circuits, upstream addresses and the revocation feed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_PREFIX = "sallyport_gateway_"


class CircuitState(StrEnum):
    """The state of an upstream's circuit breaker."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


_CIRCUITS = dict(enumerate(CircuitState))


@dataclass(frozen=True, slots=True)
class AddressState:
    """An address of an upstream. `is_out`: a worker sends it no requests. `failures` counts since a start."""

    address: str
    is_out: bool
    failures: int


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """An upstream: the circuit of its worst worker, and its addresses."""

    name: str
    circuit: CircuitState
    addresses: tuple[AddressState, ...]


@dataclass(frozen=True, slots=True)
class GatewayState:
    """A gateway. `requests` counts responses by status class, such as `2xx`, since the start of the gateway.

    `revocation_feed_age` is in seconds; None before the feed was read for the first time.
    """

    requests: Mapping[str, int]
    upstreams: tuple[UpstreamState, ...]
    revocation_feed_age: float | None
    routes_refused: bool


def read_gateway_state(text: str) -> GatewayState:
    """Return the state in the metrics of a gateway. Raises ValueError if `text` is not in Prometheus's format."""
    samples: dict[str, list[Sample]] = {}
    families: Iterable[Metric] = text_string_to_metric_families(text)
    for family in families:
        for sample in family.samples:
            samples.setdefault(sample.name.removeprefix(_PREFIX), []).append(sample)
    ages = [sample.value for sample in samples.get("revocation_feed_age_seconds", ()) if isfinite(sample.value)]
    return GatewayState(
        _requests(samples.get("requests_total", ())),
        _upstreams(samples),
        max(ages, default=None),
        any(sample.value for sample in samples.get("routes_refused", ())),
    )


def _requests(samples: Iterable[Sample]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for sample in samples:
        status = sample.labels.get("status", "")
        name = f"{status[0]}xx" if len(status) == 3 else "cut"
        counts[name] = counts.get(name, 0) + int(sample.value)
    return dict(sorted(counts.items()))


def _upstreams(samples: Mapping[str, list[Sample]]) -> tuple[UpstreamState, ...]:
    circuits = {each.labels.get("upstream", ""): each.value for each in samples.get("upstream_circuit", ())}
    excluded = {_address(each): bool(each.value) for each in samples.get("upstream_address_out", ())}
    failures: dict[tuple[str, str], int] = {}
    for each in samples.get("upstream_failures_total", ()):
        failures[_address(each)] = failures.get(_address(each), 0) + int(each.value)
    pairs = sorted({*excluded, *failures})
    return tuple(
        UpstreamState(
            name,
            _CIRCUITS.get(int(circuits.get(name, 0)), CircuitState.OPEN),
            tuple(
                AddressState(pair[1], excluded.get(pair, False), failures.get(pair, 0))
                for pair in pairs
                if pair[0] == name
            ),
        )
        for name in sorted({*circuits, *(name for name, _ in pairs)})
    )


def _address(sample: Sample) -> tuple[str, str]:
    return sample.labels.get("upstream", ""), sample.labels.get("address", "")
