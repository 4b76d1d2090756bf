"""LOG_FORMAT=console: one line for people per event, with colors where they can be shown."""

import os
import pty
import re
import subprocess
import sys

import pytest

from chassis.console_log import console_text, has_colors

TOKEN = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
PROGRAM = f"""
import logging, structlog
from chassis.logs import configure_logs
configure_logs("example", "INFO", "console")
log = structlog.get_logger("any")
log.warning("upstream_failing", upstream="notes", reason="no answer", header="Bearer {TOKEN}")
try:
    raise ValueError("raised with {TOKEN}")
except ValueError:
    log.exception("in_a_traceback")
logging.getLogger("library").warning("a library says %s", "{TOKEN}")
logging.getLogger("gunicorn.error").info("Booting worker")
logging.getLogger("gunicorn.error").warning("a worker was killed")
"""
REQUEST = {
    "time": "2027-01-15T08:00:00Z",
    "level": "info",
    "event": "request",
    "service": "gateway",
    "request_id": "id-1",
    "method": "GET",
    "path": "/api/notes/",
    "status": 200,
    "ms": 3.14,
    "route": "/api/",
    "subject": "5c7e9b1d",
}


def output(**environ: str) -> str:
    """Return what the program writes to a pipe."""
    clean = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=clean | environ, capture_output=True, text=True, check=True, timeout=30
    )
    assert ended.stderr == ""
    return ended.stdout


def test_a_pipe_gets_plain_lines_without_tokens_and_without_the_starts_of_workers() -> None:
    written = output()
    assert "\x1b" not in written
    assert re.search(
        r'^\d\d:\d\d:\d\d warning upstream_failing +header="Bearer \[token\]" reason="no answer"', written
    )
    assert "ValueError: raised with [token]" in written
    assert "a library says [token]" in written
    assert not any(part in written for part in TOKEN.split("."))
    assert "Booting worker" not in written
    assert "a worker was killed" in written


def test_a_terminal_gets_colors() -> None:
    leader, follower = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
    subprocess.run([sys.executable, "-c", PROGRAM], env=clean, stdout=follower, check=True, timeout=30)
    os.close(follower)
    assert b"\x1b[33mwarning" in os.read(leader, 4_096)
    os.close(leader)


@pytest.mark.parametrize(
    ("environ", "is_terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
    ],
)
def test_colors_need_a_terminal_and_no_color_turns_them_off(
    environ: dict[str, str], is_terminal: bool, expected: bool
) -> None:
    assert has_colors(environ, is_terminal=is_terminal) is expected


def test_a_finished_request_is_one_short_text() -> None:
    assert console_text(REQUEST)[9:] == "info    GET    200 /api/notes/  3.1 ms"


def test_a_failed_request_has_its_code_and_its_request_id() -> None:
    line = console_text(REQUEST | {"status": 401, "code": "no_credentials"})
    assert line[9:] == "info    GET    401 /api/notes/  3.1 ms  no_credentials request_id=id-1"


@pytest.mark.parametrize("hostile", ["/a\nb", "/\x1b[2J"])
def test_a_client_cannot_forge_lines_or_send_escape_sequences(hostile: str) -> None:
    for event in (REQUEST | {"path": hostile}, {"event": "any", "level": "info", "time": "", "name": hostile}):
        line = console_text(event)
        assert "\n" not in line
        assert "\x1b" not in line
