"""While the collector is away, a process logs once a minute how many spans were lost, and nothing else."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from chassis.settings import load
from chassis.tracing.export_failures import LOG_INTERVAL, ExportFailures
from chassis.tracing.finished_span import FinishedSpan
from chassis.tracing.settings import TracingSettings
from chassis.tracing.span_export import SpanExport
from chassis.tracing.trace_context import TraceParent
from tests.clocks import MovableClock
from tests.otlp_collector import collecting
from tests.ports import free_port

BATCH, QUEUE, WAIT = 10, 30, 20.0


@pytest.fixture
def closed_port() -> int:
    """A port at which nothing listens."""
    return free_port()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """The clock of the log. The exporter gives a batch up at once, and sends one when BATCH spans wait."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(BATCH))
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", str(QUEUE))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    return MovableClock()


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as logs:
        yield logs


def test_lost_spans_are_logged_once_a_minute(
    closed_port: int, clock: MovableClock, logs: list[EventDict], caplog: pytest.LogCaptureFixture
) -> None:
    export = exporting(f"http://127.0.0.1:{closed_port}", clock)
    add(export, BATCH)
    assert becomes_true(lambda: len(logs) == 1)
    assert (logs[0]["event"], logs[0]["log_level"], logs[0]["lost"]) == ("spans_lost", "warning", BATCH)
    assert logs[0]["error"].startswith("Failed to export spans batch")
    for batch in (1, 2):
        add(export, BATCH)
        assert becomes_true(lambda: export.failures.unlogged == batch * BATCH)  # noqa: B023 - called at once
    assert len(logs) == 1
    clock.move(LOG_INTERVAL)
    add(export, BATCH)
    assert becomes_true(lambda: len(logs) == 2)
    assert (logs[1]["event"], logs[1]["lost"]) == ("spans_lost", 3 * BATCH)
    export.close()
    assert caplog.records == [], "OpenTelemetry's own lines"


def test_spans_that_a_full_queue_drops_are_counted(
    clock: MovableClock, logs: list[EventDict], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "20")
    with collecting() as collector:
        collector.answers.clear()
        export = exporting(collector.url, clock)
        add(export, BATCH)
        assert becomes_true(lambda: export.waiting == 0)
        add(export, QUEUE)
        assert logs == []
        add(export, 5)
        assert [(line["event"], line["lost"]) for line in logs] == [("spans_lost", 1)]
        clock.move(LOG_INTERVAL)
        add(export, 1)
        assert [line["lost"] for line in logs] == [1, 5]
        collector.answers.set()
        export.close()
    assert len(collector.spans) == BATCH + QUEUE
    assert caplog.records == [], "OpenTelemetry's own lines"


def test_the_event_has_the_first_message_about_a_batch(clock: MovableClock, logs: list[EventDict]) -> None:
    """OpenTelemetry's last message about a batch is that it was tried too often."""
    failures = ExportFailures(clock)
    failures.install()
    exporter_log = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    for _ in range(2):
        failures.begin_batch()
        for message in ("Transient error %s", "Failed to export %s"):
            exporter_log.warning(message, _)
        failures.add(1)
        clock.move(LOG_INTERVAL)
    failures.remove()
    assert [line["error"] for line in logs] == ["Transient error 0", "Transient error 1"]


def test_the_first_export_after_a_failure_is_logged(
    closed_port: int, clock: MovableClock, logs: list[EventDict]
) -> None:
    export = exporting(f"http://127.0.0.1:{closed_port}", clock)
    for lost in (0, BATCH):
        add(export, BATCH)
        assert becomes_true(lambda: len(logs) == 1 and export.failures.unlogged == lost)  # noqa: B023 - called at once
    with collecting(closed_port) as collector:
        for _ in range(2):
            add(export, BATCH)
        export.close()
    assert len(collector.spans) == 2 * BATCH
    assert [(line["event"], line["lost"]) for line in logs] == [
        ("spans_lost", BATCH),
        ("span_export_recovered", BATCH),
    ]


def exporting(url: str, clock: MovableClock) -> SpanExport:
    settings = load(TracingSettings, {"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    return SpanExport("sallyport-any", settings, clock)


def add(export: SpanExport, spans: int) -> None:
    """Queue `spans` spans."""
    for number in range(spans):
        own = TraceParent("0af7651916cd43dd8448eb211c80319c", f"{number + 1:016x}", sampled=True)
        export.add(
            FinishedSpan("GET /", is_server=True, own=own, parent_span_id="", started=1.0, ended=2.0, attributes={})
        )


def becomes_true(condition: Callable[[], bool]) -> bool:
    """Return whether `condition` is met within WAIT seconds."""
    deadline = time.monotonic() + WAIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)  # the exporter has a thread of its own: no clock to move
    return condition()
