"""Decides whether an upstream gets requests at all: a circuit breaker, as a value and what follows it.

closed: every request passes, and failures in a row are counted. open: no request passes until a time. half-open: a
few requests (probes) pass, and the first outcome among them decides. The outcome of a probe may never be reported
(its client hung up, say), so other probes pass after PROBE_TIME. No client gets more than PROBES_A_CLIENT of them, so
a client whose requests hang does not keep the others from closing the circuit.

A failure is a request to which the upstream gave no sign of life: no connection, or silence while it answered nobody
else either. Any answer, also one that breaks off or is malformed, comes from a living service and closes the circuit.
"""

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half-open"]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 4.0
"""Seconds that the circuit stays open: the first time, and at most. Short, because trying costs a few requests an
error, while a pause keeps everybody from a service that may be back."""

PROBES = 6
"""Requests that pass while half-open, so that one slow answer does not keep the others out."""

PROBES_A_CLIENT = 2
"""How many of these one client may send."""

PROBE_TIME = 2.0
"""Seconds after which as many pass again, where no outcome was reported."""


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """`failures` in a row while closed; `pauses` since it last was closed. Times are a monotonic clock's seconds:
    requests sent before `since` do not count, and the state ends at `until`. `probed_by` are the clients of the
    probes that have passed since the last turn."""

    state: State = "closed"
    failures: int = 0
    pauses: int = 0
    since: float = 0.0
    until: float = 0.0
    probed_by: tuple[str, ...] = ()

    @property
    def is_calm(self) -> bool:
        """Whether all is well, so that an answer changes nothing."""
        return self == _CALM


_CALM = CircuitBreaker()


def after_asking(circuit_breaker: CircuitBreaker, now: float, client: str = "") -> tuple[CircuitBreaker, bool]:
    """Return the circuit after a request of `client` (its address), and whether that request passes."""
    if circuit_breaker.state == "closed":
        return circuit_breaker, True
    if now >= circuit_breaker.until:
        since = now if circuit_breaker.state == "open" else circuit_breaker.since
        return CircuitBreaker("half-open", 0, circuit_breaker.pauses, since, now + PROBE_TIME, (client,)), True
    probed_by = circuit_breaker.probed_by
    if circuit_breaker.state == "open" or len(probed_by) == PROBES or probed_by.count(client) == PROBES_A_CLIENT:
        return circuit_breaker, False
    return CircuitBreaker(
        "half-open", 0, circuit_breaker.pauses, circuit_breaker.since, circuit_breaker.until, (*probed_by, client)
    ), True


def after_answer() -> CircuitBreaker:
    """Return the circuit after a sign of life: closed, whatever it was."""
    return _CALM


def after_failure(
    circuit_breaker: CircuitBreaker, *, asked_at: float, now: float, break_after: int, stretch: float = 1.0
) -> CircuitBreaker:
    """Return the circuit after a request, sent at `asked_at`, to which no address gave a sign of life.

    `break_after` in a row open it; 0 means never. `stretch` (1 or more) keeps workers from probing at one moment.
    """
    if circuit_breaker.state == "open" or asked_at < circuit_breaker.since or not break_after:
        return circuit_breaker
    failures = circuit_breaker.failures + 1
    if circuit_breaker.state == "closed" and failures < break_after:
        return CircuitBreaker(failures=failures)
    pause = min(FIRST_PAUSE * 2**circuit_breaker.pauses, LONGEST_PAUSE)
    # Beyond the longest pause their number says nothing more, and 2 to its power would become unwieldy.
    return CircuitBreaker("open", 0, min(circuit_breaker.pauses + 1, 16), now, now + pause * stretch)
