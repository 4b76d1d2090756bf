"""An OpenTelemetry collector for tests: it receives spans by OTLP over HTTP and decodes the protobuf messages."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

WAIT = 60.0
"""Seconds after which `wait_for` gives up."""


@dataclass(frozen=True, slots=True)
class Span:
    """One received span. The ids are in hexadecimal."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    seconds: float
    is_error: bool
    attributes: dict[str, str | int]
    links: tuple[str, ...]
    """The trace ids of its links."""


@dataclass(slots=True)
class Collector:
    """The spans that were received so far."""

    url: str
    spans: list[Span] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)
    """Cleared by a test to make the collector wait before it answers."""
    bodies: list[bytes] = field(default_factory=list)
    """The messages as they were received, to search for secrets."""

    def wait_for(self, count: int, **wanted: str) -> list[Span]:
        """Return the spans whose attributes have the values `wanted`, as soon as there are `count` of them."""
        deadline = time.monotonic() + WAIT
        while True:
            found = [span for span in list(self.spans) if all(getattr(span, k) == v for k, v in wanted.items())]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count} spans: {self.spans}"
            time.sleep(0.02)  # real processes send them: no clock to move


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """Run a collector for the duration of the block, at any free port or at `port`."""
    collector = Collector("")
    collector.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert collector.answers.wait(WAIT)
            assert self.path == "/v1/traces"
            collector.bodies.append(body)
            collector.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write no access log."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="collector", daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join(WAIT)


def _spans(message: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource_spans in message.resource_spans:
        service = str(_values(resource_spans.resource.attributes)["service.name"])
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield Span(
                    service,
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    span.status.code == 2,
                    _values(span.attributes),
                    tuple(link.trace_id.hex() for link in span.links),
                )


def _values(attributes: "list[KeyValue]") -> dict[str, str | int]:
    return {
        item.key: item.value.string_value if item.value.HasField("string_value") else item.value.int_value
        for item in attributes
    }
