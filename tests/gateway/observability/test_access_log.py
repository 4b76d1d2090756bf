"""The access log has one line of JSON per request, without secrets."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.accounts.mail_tokens import MailTokens, Purpose
from auth_service.accounts.user import DUMMY_USER
from gateway.http.request import Request, RequestRecord
from gateway.observability.access_log import CHUNK_BYTES, AccessLog
from tests.clocks import MovableClock


def request(path: bytes = b"/api/", **changed: Any) -> Request:
    members: dict[str, Any] = {
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
    return Request(**members)


def test_a_line_describes_the_request_without_its_secrets(clock: MovableClock) -> None:
    written: list[str] = []
    log = AccessLog(clock, written.append)
    log.add(request(), RequestRecord(), 200, 0.00123)
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


def test_a_line_names_the_route_the_client_and_the_trace_and_splits_the_time(clock: MovableClock) -> None:
    written: list[str] = []
    record = RequestRecord()
    record.route, record.subject, record.session = "/api/", 'a "subject"', "session-1"
    record.sent_at, record.answered_at, record.trace_id = (
        clock() + 0.001,
        clock() + 0.004,
        "0af7651916cd43dd8448eb211c80319c",
    )
    log = AccessLog(clock, written.append)
    log.add(request(), record, 403, 0.0055, "insufficient_scope")
    log.flush()
    line = json.loads(written[0])
    assert {name: line[name] for name in ("route", "subject", "sid", "trace_id", "code")} == {
        "route": "/api/",
        "subject": 'a "subject"',
        "sid": "session-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "code": "insufficient_scope",
    }
    assert (line["ms"], line["upstream_ms"], line["gateway_ms"]) == (5.5, 3.0, 2.5)


def test_the_token_of_a_link_in_a_mail_is_not_in_the_log(clock: MovableClock) -> None:
    """An app that serves the links of djoser behind the gateway has the token in its paths."""
    token = MailTokens(lambda: ["k" * 32], 3_600).issue(Purpose.PASSWORD_RESET, DUMMY_USER, clock())
    written: list[str] = []
    log = AccessLog(clock, written.append)
    for path in (f"/password/reset/confirm/MQ/{token}", f"/activate/MQ/{token}/", f"/{token}"):
        log.add(request(path.encode()), RequestRecord(), 200, 0)
    log.flush()
    paths = [json.loads(line)["path"] for line in "".join(written).splitlines()]
    assert paths == ["/password/reset/confirm/MQ/[mail-token]", "/activate/MQ/[mail-token]/", "/[mail-token]"]


def test_one_in_n_successful_requests_is_logged_and_every_failed_one() -> None:
    written: list[str] = []
    log = AccessLog(MovableClock(), written.append, every=3)
    for status in (200, 503, 204, 0, 401, 200, 302):
        log.add(request(), RequestRecord(), status, 0)
    log.flush()
    assert [json.loads(line)["status"] for line in "".join(written).splitlines()] == [503, 0, 401, 200]


def test_every_redirect_to_the_log_in_page_is_logged() -> None:
    """It has the code of the refusal that it replaces."""
    written: list[str] = []
    log = AccessLog(MovableClock(), written.append, every=100)
    for code in ("no_credentials", "", "token_revoked"):
        log.add(request(), RequestRecord(), 303, 0, code)
    log.flush()
    assert [json.loads(line)["code"] for line in "".join(written).splitlines()] == ["no_credentials", "token_revoked"]


def test_a_chunk_consists_of_whole_lines_and_fits_one_pipe_write() -> None:
    written: list[str] = []
    log = AccessLog(MovableClock(), written.append)
    for number in range(200):
        log.add(request(b"/" + b"x" * (number * 30)), RequestRecord(), 200, 0)
    log.flush()
    assert [len(json.loads(line)["path"]) for line in "".join(written).splitlines()] == [
        1 + n * 30 for n in range(200)
    ]
    assert all(chunk.endswith("\n") for chunk in written)
    assert all(len(chunk) <= CHUNK_BYTES or chunk.count("\n") == 1 for chunk in written)
    assert len(written) < 200


@given(st.binary(max_size=40))
def test_any_path_is_valid_json_on_one_line(path: bytes) -> None:
    written: list[str] = []
    log = AccessLog(MovableClock(), written.append)
    log.add(request(path), RequestRecord(), 400, 0)
    log.add(request(), RequestRecord(), 200, 0)
    log.flush()
    lines = "".join(written).splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["path"] == path.decode("latin-1")


def test_lines_wait_for_the_flush_and_are_written_once(clock: MovableClock) -> None:
    written: list[str] = []
    log = AccessLog(clock, written.append)
    log.add(request(), RequestRecord(), 200, 0)
    assert written == []
    log.flush()
    log.flush()
    assert len(written) == 1


def test_a_full_chunk_is_written_before_the_flush(clock: MovableClock) -> None:
    """If thousands of lines were written at once, they would delay other requests."""
    written: list[str] = []
    log = AccessLog(clock, written.append)
    for _ in range(1000):
        log.add(request(), RequestRecord(), 200, 0)
    left = 1000 - "".join(written).count("\n")
    assert 0 < left * len(written[0].splitlines()[0]) <= CHUNK_BYTES


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full, which acts as a full disk")
def test_a_full_disk_loses_lines_but_fails_no_request(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closed below, which raises
    monkeypatch.setattr(sys, "stdout", full)
    log = AccessLog(clock)
    for _ in range(100):
        log.add(request(), RequestRecord(), 200, 0)
    log.flush()
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_the_timestamp_follows_the_clock(clock: MovableClock) -> None:
    written: list[str] = []
    log = AccessLog(clock, written.append)
    for seconds in (0, 0.5, 0.5):
        clock.move(seconds)
        log.add(request(), RequestRecord(), 200, 0)
    log.flush()
    timestamps = [json.loads(line)["time"][-3:] for line in "".join(written).splitlines()]
    assert timestamps == ["00Z", "00Z", "01Z"]


def test_the_last_lines_are_written_when_the_worker_stops(clock: MovableClock) -> None:
    written: list[str] = []
    log = AccessLog(clock, written.append)

    async def main() -> None:
        task = asyncio.create_task(log.keep_flushing())
        await asyncio.sleep(0)
        log.add(request(), RequestRecord(), 200, 0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert len(written) == 1


def test_lines_go_to_standard_output(clock: MovableClock, capsys: pytest.CaptureFixture[str]) -> None:
    log = AccessLog(clock)
    log.add(request(), RequestRecord(), 200, 0)
    log.flush()
    assert json.loads(capsys.readouterr().out)["event"] == "request"
