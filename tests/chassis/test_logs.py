"""Every log line is one JSON object, and none contains a token."""

import json
import subprocess
import sys
from typing import Any

import pytest

from chassis.logs import mask_tokens

TOKEN = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"

PROGRAM = f"""
import logging, structlog
from chassis.logs import configure_logs
configure_logs("example", "INFO")
configure_logs("example", "INFO")  # again: each record must still be written once
token = {TOKEN!r}
log = structlog.get_logger("any")
structlog.contextvars.bind_contextvars(request_id="id-1")
log.info("plain", number=7)
log.debug("not shown")
log.info(f"in the event {{token}}")
log.info("in a value", header="Bearer " + token)
log.info("in a mapping", headers={{"authorization": "Bearer " + token}})
log.info("in a list", headers=[("authorization", token)])
log.info("in a key", **{{token: 1}})
log.info("two lines\\nand a \\"quote\\"")
try:
    raise ValueError("raised with " + token)
except ValueError:
    log.exception("in a traceback")
    logging.getLogger("library").exception("in a library's traceback")
logging.getLogger("library").warning("a library says %s", token)
logging.getLogger("gunicorn.error").info("gunicorn speaks")
logging.getLogger("gunicorn.access").info("not shown")
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30)
    assert ended.stderr == ""
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_every_line_has_service_time_and_level(lines: list[dict[str, Any]]) -> None:
    assert {(line["service"], line["request_id"]) for line in lines} == {("example", "id-1")}
    assert all(line["time"].endswith("Z") and line["level"] in ("info", "warning", "error") for line in lines)
    assert lines[0]["event"] == "plain"
    assert lines[0]["number"] == 7


def test_structlog_and_standard_loggers_each_write_a_record_once(lines: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in lines] == [
        "plain",
        "in the event [token]",
        "in a value",
        "in a mapping",
        "in a list",
        "in a key",
        'two lines\nand a "quote"',
        "in a traceback",
        "in a library's traceback",
        "a library says [token]",
        "gunicorn speaks",
    ]


def test_no_line_contains_a_token(lines: list[dict[str, Any]]) -> None:
    written = json.dumps(lines)
    assert written.count("[token]") >= 8
    assert not any(part in written for part in TOKEN.split("."))


def test_a_line_that_cannot_be_written_is_dropped() -> None:
    """The program that logs it continues."""
    with open("/dev/full", "wb") as full_disk:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM + "import os; os.write(2, b'continued'); os._exit(0)"],
            stdout=full_disk,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
            timeout=30,
        )
    assert "continued" in ended.stderr


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (TOKEN, "[token]"),
        (f"Bearer {TOKEN}, again {TOKEN} .", "Bearer [token], again [token] ."),
        (TOKEN.rpartition(".")[0], "[token]"),
        (f'{{"access": "{TOKEN}"}}', '{"access": "[token]"}'),
        ("eyJ is no token", "eyJ is no token"),
        ("notes.example.org", "notes.example.org"),
    ],
)
def test_only_what_looks_like_a_token_is_masked(text: str, masked: str) -> None:
    assert mask_tokens(text) == masked
