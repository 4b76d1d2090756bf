"""One line of JSON a request, with nothing in it that must not be logged."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.request import Request
from gateway.observability.access_log import PIECE, AccessLog
from tests.clocks import MovableClock


def request(path: bytes = b"/api/", **changed: Any) -> Request:
    told: dict[str, Any] = {
        **dict.fromkeys(Request._fields),
        "request_id": "id-1",
        "method": "GET",
        "path": path,
        "query": b"token=secret",
        "headers": [(b"authorization", b"Bearer secret"), (b"cookie", b"secret")],
        "http_version": "1.1",
        "client": "192.0.2.1",
        "scheme": "http",
        **changed,
    }
    return Request(**told)


def test_a_line_says_what_happened_and_keeps_secrets(clock: MovableClock) -> None:
    """R19."""
    written: list[str] = []
    log = AccessLog(clock, written.append)
    log.add(request(), 200, 0.00123)
    log.flush()
    assert "secret" not in written[0]
    assert json.loads(written[0]) == {
        "time": "2027-01-15T08:00:00Z",
        "level": "info",
        "event": "request",
        "service": "gateway",
        "request_id": "id-1",
        "method": "GET",
        "path": "/api/",
        "status": 200,
        "ms": 1.23,
        "client": "192.0.2.1",
    }


def test_of_what_goes_well_a_share_is_enough_and_of_the_rest_nothing_is_left_out() -> None:
    written: list[str] = []
    log = AccessLog(MovableClock(), written.append, every=3)
    for status in (200, 503, 204, 0, 401, 200, 302):
        log.add(request(), status, 0)
    log.flush()
    assert [json.loads(line)["status"] for line in "".join(written).splitlines()] == [503, 0, 401, 200]


def test_what_is_written_at_once_is_whole_lines_and_stays_together_in_a_pipe() -> None:
    written: list[str] = []
    log = AccessLog(MovableClock(), written.append)
    for number in range(200):
        log.add(request(b"/" + b"x" * (number * 30)), 200, 0)
    log.flush()
    assert [len(json.loads(line)["path"]) for line in "".join(written).splitlines()] == [
        1 + n * 30 for n in range(200)
    ]
    assert all(piece.endswith("\n") for piece in written)
    assert all(len(piece) <= PIECE or piece.count("\n") == 1 for piece in written)
    assert len(written) < 200


@given(st.binary(max_size=40))
def test_no_path_breaks_its_line(path: bytes) -> None:
    written: list[str] = []
    log = AccessLog(MovableClock(), written.append)
    log.add(request(path), 400, 0)
    log.add(request(), 200, 0)
    log.flush()
    lines = "".join(written).splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["path"] == path.decode("latin-1")


def test_lines_wait_for_the_flush_and_are_written_once(clock: MovableClock) -> None:
    written: list[str] = []
    log = AccessLog(clock, written.append)
    log.add(request(), 200, 0)
    assert written == []
    log.flush()
    log.flush()
    assert len(written) == 1


def test_a_full_piece_does_not_wait_for_the_flush(clock: MovableClock) -> None:
    """Else thousands would be written at once, and the requests beside them wait."""
    written: list[str] = []
    log = AccessLog(clock, written.append)
    for _ in range(1000):
        log.add(request(), 200, 0)
    left = 1000 - "".join(written).count("\n")
    assert 0 < left * len(written[0].splitlines()[0]) <= PIECE


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="there is no /dev/full, which is a full disk, on this system"
)
def test_a_full_disk_costs_lines_and_no_request(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closed below, where it complains once more
    monkeypatch.setattr(sys, "stdout", full)
    log = AccessLog(clock)
    for _ in range(100):
        log.add(request(), 200, 0)
    log.flush()
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_the_stamp_follows_the_clock(clock: MovableClock) -> None:
    written: list[str] = []
    log = AccessLog(clock, written.append)
    for seconds in (0, 0.5, 0.5):
        clock.move(seconds)
        log.add(request(), 200, 0)
    log.flush()
    stamps = [json.loads(line)["time"][-3:] for line in "".join(written).splitlines()]
    assert stamps == ["00Z", "00Z", "01Z"]


def test_the_last_lines_are_written_when_the_worker_stops(clock: MovableClock) -> None:
    written: list[str] = []
    log = AccessLog(clock, written.append)

    async def live() -> None:
        job = asyncio.create_task(log.keep_flushing())
        await asyncio.sleep(0)
        log.add(request(), 200, 0)
        job.cancel()
        with suppress(asyncio.CancelledError):
            await job

    asyncio.run(live())
    assert len(written) == 1


def test_it_writes_to_the_standard_output(clock: MovableClock, capsys: pytest.CaptureFixture[str]) -> None:
    log = AccessLog(clock)
    log.add(request(), 200, 0)
    log.flush()
    assert json.loads(capsys.readouterr().out)["event"] == "request"
