"""A background job runs at its interval, also after an error."""

import threading
from collections.abc import Iterator

from flask import Flask, current_app
from structlog.testing import capture_logs

from auth_service.jobs.periodic import PeriodicJob
from auth_service.store_errors import StoreUnavailable


def test_a_job_runs_in_an_application_context(app: Flask) -> None:
    assert PeriodicJob(app, "test", 60, lambda: current_app.name).run_once() == app.name


def test_an_error_of_a_job_is_logged_and_the_job_runs_again(app: Flask) -> None:
    """An unavailable database is a warning with its text; any other error is a defect with a traceback."""
    outcomes: Iterator[Exception | int] = iter([StoreUnavailable("away"), ValueError("broken"), 3])

    def work() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    job = PeriodicJob(app, "test", 60, work)
    with capture_logs() as logged:
        assert [job.run_once() for _ in range(3)] == [None, None, 3]
    assert [(line["event"], line["log_level"], line["job"]) for line in logged] == [
        ("job_failed", "warning", "test"),
        ("job_failed", "error", "test"),
    ]
    assert logged[0]["error"] == "away"
    assert logged[1]["exc_info"]


def test_the_thread_continues_after_an_error_and_stops_on_request(app: Flask) -> None:
    runs = 0
    has_run_three_times = threading.Event()

    def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            has_run_three_times.set()
        raise ValueError("broken")

    job = PeriodicJob(app, "test", 0.001, work)
    job.start()
    assert has_run_three_times.wait(30)
    job.stop()
    assert not job._thread.is_alive()
