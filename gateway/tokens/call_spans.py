"""Spans of the gateway's own calls to the auth service, such as a refresh."""

from collections.abc import Callable
from random import getrandbits

from chassis.clock import Clock
from chassis.tracing.finished_span import FinishedSpan
from chassis.tracing.trace_context import TraceParent, current_trace


class CallSpans:
    """Exports a span for each call that belongs to a sampled request. `export` queues a span."""

    def __init__(self, export: Callable[[FinishedSpan], None], clock: Clock) -> None:
        self._export = export
        self.clock = clock

    def begin(self) -> TraceParent:
        """Return the span of a call, which continues the trace of the current request.

        Calls of background tasks belong to no request; the auth service must not begin a trace for them.
        """
        trace, span_id = current_trace.get(), f"{getrandbits(64):016x}"
        if trace is None:
            return TraceParent(f"{getrandbits(128):032x}", span_id, sampled=False)
        return trace.child(span_id)

    def end(self, call: TraceParent, method: str, path: str, started: float, status: int) -> None:
        """Export the span of a call that began at `started`; `status` is 0 if there was no response."""
        trace = current_trace.get()
        if trace is None or not call.sampled:
            return
        outcome: dict[str, str | int | float] = {"http.response.status_code": status} if status else {}
        if not 0 < status < 400:
            outcome["error.type"] = str(status or "no_response")
        self._export(
            FinishedSpan(
                f"{method} {path}",
                is_server=False,
                own=call,
                parent_span_id=trace.span_id,
                started=started,
                ended=self.clock(),
                attributes={"http.request.method": method, "url.path": path, "peer.service": "auth"} | outcome,
                is_error=not 0 < status < 500,
            )
        )
