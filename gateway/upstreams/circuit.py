"""Decides whether an upstream is asked at all: a circuit breaker, as a value and what follows it.

closed: everybody may ask, and requests that fail in a row are counted. open: nobody may, until a time. half-open: a
few may, and the first outcome among them decides. What became of these few may never be told (their client hung up,
say), so that after PROBE_TIME others take their places: nobody's silence keeps a circuit from closing.
"""

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half-open"]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 4.0
"""Seconds that the circuit stays open: the first time, and at most. Short, because trying costs a few requests an
error, while a pause keeps everybody from a service that may be back."""

PROBES = 3
"""Requests that are let through half-open, so that one slow answer does not keep the others out."""

PROBE_TIME = 2.0
"""Seconds after which as many are let through again, where none has told how it fared."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` in a row while closed; `pauses` since it last was closed. Times are a monotonic clock's seconds:
    `since` when the state began to count what is asked, `until` when it gives way."""

    state: State = "closed"
    failures: int = 0
    pauses: int = 0
    since: float = 0.0
    until: float = 0.0
    probes_left: int = 0

    @property
    def is_calm(self) -> bool:
        """Whether all is well, so that an answer changes nothing."""
        return self == _CALM


_CALM = Circuit()


def after_asking(circuit: Circuit, now: float) -> tuple[Circuit, bool]:
    """What the circuit is once somebody has asked to pass, and whether they may."""
    if circuit.state == "closed":
        return circuit, True
    if now >= circuit.until:
        since = now if circuit.state == "open" else circuit.since
        return Circuit("half-open", 0, circuit.pauses, since, now + PROBE_TIME, PROBES - 1), True
    if circuit.state == "open" or not circuit.probes_left:
        return circuit, False
    left = circuit.probes_left - 1
    return Circuit("half-open", 0, circuit.pauses, circuit.since, circuit.until, left), True


def after_answer(circuit: Circuit) -> Circuit:
    """What it is after an answer. While it is open, that was asked for before, and changes nothing."""
    return circuit if circuit.state == "open" else _CALM


def after_failure(
    circuit: Circuit, *, asked_at: float, now: float, break_after: int, stretch: float = 1.0
) -> Circuit:
    """What it is after a request, sent at `asked_at`, that no address has answered.

    `break_after` in a row open it; 0 means never. `stretch` (1 or more) keeps workers from trying at one moment.
    """
    if circuit.state == "open" or asked_at < circuit.since or not break_after:
        return circuit
    failures = circuit.failures + 1
    if circuit.state == "closed" and failures < break_after:
        return Circuit(failures=failures)
    pause = min(FIRST_PAUSE * 2**circuit.pauses, LONGEST_PAUSE)
    # Beyond the longest pause their number says nothing more, and 2 to its power would become unwieldy.
    return Circuit("open", 0, min(circuit.pauses + 1, 16), now, now + pause * stretch)
