"""The circuit breaker of an upstream, as a value and pure transitions.

closed: every request passes, and consecutive failures are counted. open: every request is refused until the open time
is over. half-open: a few requests (probes) pass, and the first outcome decides. The outcome of a probe may never be
reported, for example if its client disconnects. Therefore a new round of probes passes after PROBE_INTERVAL. The
probes of one client are limited, so that a client whose requests hang does not use up all probes.

A failure is a request after which no address gave a sign of life: no connection was established, or the request timed
out while no other one got a response. Every response closes the circuit, also one that is cut off or malformed.
"""

from dataclasses import dataclass
from typing import Literal

CircuitState = Literal["closed", "open", "half-open"]

BASE_OPEN_TIME, MAX_OPEN_TIME = 1.0, 4.0
"""Seconds that the circuit stays open: the first time, and at most. They are short, because a failed probe costs few
requests, while an open circuit refuses all requests although the service may have recovered."""

MAX_PROBES = 6
"""Requests that pass in a round while half-open; several, so that one slow response does not block the others."""

MAX_PROBES_PER_CLIENT = 2
"""Requests of one client address that pass in a round."""

PROBE_INTERVAL = 2.0
"""Seconds after which a new round of probes passes if no outcome was reported."""

_MAX_OPENINGS = 16
"""Bounds the exponent of the open time, which reaches its maximum much earlier."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """The circuit breaker of one upstream. Times are monotonic seconds."""

    state: CircuitState = "closed"
    failures: int = 0
    """Consecutive failures while closed."""
    openings: int = 0
    """How often the circuit opened since it was last closed."""
    changed_at: float = 0.0
    """When the circuit opened or turned half-open; 0 while closed. Failures of requests sent earlier do not count."""
    until: float = 0.0
    """When the circuit turns half-open, or the next round of probes may pass."""
    probed_by: tuple[str, ...] = ()
    """The client addresses of the probes in this round."""

    @property
    def has_no_failures(self) -> bool:
        """Return whether the circuit is closed and no failure came after the latest response."""
        return self == _NO_FAILURES


_NO_FAILURES = Circuit()


def after_request(circuit: Circuit, now: float, client: str = "") -> tuple[Circuit, bool]:
    """Return the circuit after a request from the address `client`, and whether that request passes."""
    if circuit.state == "closed":
        return circuit, True
    if now >= circuit.until:
        changed_at = now if circuit.state == "open" else circuit.changed_at
        return Circuit("half-open", 0, circuit.openings, changed_at, now + PROBE_INTERVAL, (client,)), True
    probes = circuit.probed_by
    if circuit.state == "open" or len(probes) == MAX_PROBES or probes.count(client) == MAX_PROBES_PER_CLIENT:
        return circuit, False
    return Circuit("half-open", 0, circuit.openings, circuit.changed_at, circuit.until, (*probes, client)), True


def after_response() -> Circuit:
    """Return the circuit after a response: closed and without failures, whatever it was before."""
    return _NO_FAILURES


def after_failure(circuit: Circuit, *, sent_at: float, now: float, break_after: int, jitter: float = 1.0) -> Circuit:
    """Return the circuit after the failure of a request that was sent at `sent_at`.

    `break_after` consecutive failures open it, and one is enough while half-open; 0 means never. `jitter`, a factor
    of at least 1, keeps the workers from probing at the same time.
    """
    if circuit.state == "open" or sent_at < circuit.changed_at or not break_after:
        return circuit
    failures = circuit.failures + 1
    if circuit.state == "closed" and failures < break_after:
        return Circuit(failures=failures)
    open_time = min(BASE_OPEN_TIME * 2**circuit.openings, MAX_OPEN_TIME)
    return Circuit("open", 0, min(circuit.openings + 1, _MAX_OPENINGS), now, now + open_time * jitter)
