"""A span that has ended, before it is exported. It needs no OpenTelemetry."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.tracing.trace_context import TraceParent

Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class FinishedSpan:
    """A span whose ids were chosen when it began. Times are in seconds since the epoch."""

    name: str
    is_server: bool
    """Whether it stands for a received request; otherwise for one that was sent."""
    own: TraceParent
    parent_span_id: str
    """Empty if the span begins its trace."""
    started: float
    ended: float
    attributes: Attributes
    is_error: bool = False
    link: TraceParent | None = None
    """The span that an untrusted client named."""
