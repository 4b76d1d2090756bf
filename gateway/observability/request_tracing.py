"""Traces of proxied requests: choose the ids at their start, and export the spans of sampled ones at their end.

A request has two spans: its own, and that of the request to the upstream, which continues the trace. OpenTelemetry is
used at the end of sampled requests only, because it costs more than all else that the gateway does for a request.
"""

from collections.abc import Callable
from random import getrandbits, random

from chassis.tracing.finished_span import FinishedSpan
from chassis.tracing.sampling import Sampling
from chassis.tracing.trace_context import RequestTrace, TraceParent, parse_traceparent
from gateway.http.request import Request, RequestRecord
from gateway.observability.access_log import without_mail_token

TRUSTED_PROXIES, EVERYONE, NOBODY = "trusted_proxies", "everyone", "nobody"
"""The values of TRACEPARENT_FROM: whose traces are continued."""

_MAX_TRACESTATE = 512
"""Characters. W3C Trace Context 3.3.1.5: a longer tracestate need not be propagated."""


class RequestTracing:
    """The traces of one worker. `export` queues a span; `traceparent_from` is the setting TRACEPARENT_FROM."""

    def __init__(self, sampling: Sampling, export: Callable[[FinishedSpan], None], traceparent_from: str) -> None:
        self._sampling = sampling
        self._ratio = sampling.ratio
        self._export = export
        self._traceparent_from = traceparent_from

    def begin(self, request: Request, record: RequestRecord) -> None:
        """Choose the ids of a request, and the header lines with which its upstream continues the trace."""
        known = request.known_fields
        given = known.traceparent if known is not None else _traceparent(request)
        if random() < self._ratio:  # noqa: S311 - no secret
            self._begin_trace(request, record, parse_traceparent(given.decode("latin-1")) if given else None)
            return
        # Only a valid field continues a trace: else a malformed one would have any request recorded.
        parent = parse_traceparent(given.decode("latin-1")) if given and self._continues(record) else None
        if parent is None:
            self._begin_unsampled(request.request_id, record)
        else:
            self._begin_trace(request, record, parent)

    def _begin_unsampled(self, request_id: str, record: RequestRecord) -> None:
        """Tell the upstream that the trace is not recorded.

        The ids are made of the request id, in a tenth of the time of random ones. The low half of the trace id is so
        high that a sampler of a service, which decides by the ratio, does not record it either.
        """
        trace_id = f"{request_id[:16]}ffffffff{request_id[-8:]}"
        record.trace_id = trace_id
        record.trace_lines = f"traceparent: 00-{trace_id}-{request_id[-16:]}-00\r\n".encode("ascii")

    def _begin_trace(self, request: Request, record: RequestRecord, given: TraceParent | None) -> None:
        digits = f"{getrandbits(256):064x}"  # a trace id and two span ids
        parent = given if given is not None and self._continues(record) else None
        trace_id, sampled = digits[:32], True
        if parent is not None:
            trace_id = parent.trace_id
            sampled = self._sampling.is_sampled(int(trace_id, 16), parent.sampled)
        trace = RequestTrace(
            parent, None if parent is given else given, trace_id, digits[48:], digits[32:48], sampled
        )
        record.trace, record.trace_id = trace, trace_id
        record.trace_lines = f"traceparent: {trace.child(trace.upstream_span_id).to_header()}\r\n".encode("ascii")
        if parent is not None:
            record.trace_lines += _tracestate_line(request)

    def end(
        self, request: Request, record: RequestRecord, status: int, started: float, ended: float, code: str
    ) -> None:
        """Export the spans of a sampled request. `status` is 0 for a connection that was cut."""
        trace = record.trace
        if trace is None or not trace.sampled:
            return
        outcome: dict[str, str | int | float] = {"http.response.status_code": status} if status else {}
        if code or status >= 400 or not status:
            outcome["error.type"] = code or str(status or "connection_cut")
        is_error = status >= 500 or not status
        if record.sent_at:
            self._export(
                FinishedSpan(
                    f"{request.method} {record.upstream}",
                    is_server=False,
                    own=trace.child(trace.upstream_span_id),
                    parent_span_id=trace.span_id,
                    started=record.sent_at,
                    ended=record.answered_at or ended,
                    attributes={"http.request.method": request.method, "peer.service": record.upstream} | outcome,
                    is_error=is_error,
                )
            )
        self._export(
            FinishedSpan(
                f"{request.method} {record.route}".strip(),
                is_server=True,
                own=trace.child(trace.span_id),
                parent_span_id=trace.parent.span_id if trace.parent else "",
                started=started,
                ended=ended,
                attributes=_attributes(request, record) | outcome,
                is_error=is_error,
                link=trace.link,
            )
        )

    def _continues(self, record: RequestRecord) -> bool:
        if self._traceparent_from == TRUSTED_PROXIES:
            return record.is_from_trusted_proxy
        return self._traceparent_from == EVERYONE


def _traceparent(request: Request) -> bytes:
    return next((value for name, value in request.headers if name == b"traceparent"), b"")


def _tracestate_line(request: Request) -> bytes:
    """Return the client's tracestate as a header line; empty if there is none that can be propagated."""
    value = request.header(b"tracestate")
    if not value or len(value) > _MAX_TRACESTATE or not (value.isascii() and value.isprintable()):
        return b""
    return f"tracestate: {value}\r\n".encode()


def _attributes(request: Request, record: RequestRecord) -> dict[str, str | int | float]:
    """Return the attributes of a request's span: never its query, a header field or a token."""
    found: dict[str, str | int | float] = {
        "http.request.method": request.method,
        "url.path": without_mail_token(request.path).decode("latin-1"),
        "url.scheme": request.scheme,
        "network.protocol.version": request.http_version,
        "client.address": request.client,
        "sallyport.request_id": request.request_id,
    }
    known = {"http.route": record.route, "enduser.id": record.subject, "session.id": record.session}
    return found | {name: value for name, value in known.items() if value}
