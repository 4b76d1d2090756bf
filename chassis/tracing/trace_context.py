"""The traceparent header (W3C Trace Context 3.2): parse it and write it."""

import re
from contextvars import ContextVar
from typing import NamedTuple

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 0x01
"""The flag that says that the caller records the trace (3.2.2.5.1)."""


class TraceParent(NamedTuple):
    """The span that a request continues. The ids are in lower-case hexadecimal: 32 and 16 digits."""

    trace_id: str
    span_id: str
    sampled: bool

    def to_header(self) -> str:
        """Return the value of traceparent, version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def parse_traceparent(value: str) -> TraceParent | None:
    """Return the value of a traceparent field; None if it is invalid, so that a new trace has to begin.

    A value of a later version may be longer (3.2.4); ids of zeros only are invalid (3.2.2.3 and 3.2.2.4).
    """
    match = _TRACEPARENT.fullmatch(value)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not (trace_id.strip("0") and span_id.strip("0")):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


class RequestTrace(NamedTuple):
    """The ids of one proxied request: its own span, and the span of the request to the upstream."""

    parent: TraceParent | None
    """The span that the request continues; None if it begins a trace."""
    link: TraceParent | None
    """The span that an untrusted client named, if a sampled trace begins here instead of continuing that one."""
    trace_id: str
    span_id: str
    upstream_span_id: str
    sampled: bool

    def child(self, span_id: str) -> TraceParent:
        """Return the traceparent of a call that is made for the request."""
        return TraceParent(self.trace_id, span_id, self.sampled)


current_trace: ContextVar[RequestTrace | None] = ContextVar("current_trace", default=None)
"""The trace of the request that the current task answers. Calls to the auth service continue it."""
