"""Log lines for people at a terminal: LOG_FORMAT=console.

10:11:12 info    POST   201 /api/notes/  3.1 ms
10:11:13 warning upstream_failing               upstream=notes reason="no answer"
"""

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter

_EVENT_WIDTH = 30
_DIM, _BOLD, _RESET, _RED = "\x1b[2m", "\x1b[1m", "\x1b[0m", "\x1b[31m"
_LEVEL_STYLES = {"warning": "\x1b[33m", "error": _RED, "critical": _RED}
_STATUS_STYLES = {2: "\x1b[32m", 3: "\x1b[36m", 4: "\x1b[33m", 5: _RED}
"""Style by the first digit of the status."""


def console_text(event: Mapping[str, Any]) -> str:
    """Return the line of `event`, without a line break at its end; with a traceback it is several lines."""
    # `make run` writes the name of the service in front of each line.
    shown = {name: value for name, value in event.items() if name != "service"}
    shown["time"] = _local_time(str(event.get("time", "")))
    if event.get("event") == "request":
        shown = {name: shown[name] for name in ("time", "level")} | _finished_request(event)
    else:
        shown["event"] = f"{_one_line(event.get('event', '')):<{_EVENT_WIDTH}}"
    return str(_renderer()(None, "", shown)).rstrip()


def has_colors(environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return whether to write colors: on a terminal or with FORCE_COLOR, and never with NO_COLOR (no-color.org)."""
    return not environ.get("NO_COLOR") and (is_terminal or bool(environ.get("FORCE_COLOR")))


def _finished_request(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a terminal shows of a finished request: one text, and the request id if it failed."""
    status = int(event["status"])
    style = _style(_STATUS_STYLES.get(status // 100, _RED))
    text = f"{event['method']:<6} {style}{status}{_style(_RESET)} {_one_line(event['path'])}  {event['ms']:.1f} ms"
    if code := event.get("code"):
        text += f"  {code}"
    return {"event": text} | ({"request_id": event["request_id"]} if not 0 < status < 400 else {})


def _local_time(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time).astimezone():%H:%M:%S}"
    except ValueError:
        return time


def _one_line(value: object) -> str:
    """Return `value` without line breaks and escape sequences, with which a client could forge lines."""
    text = str(value)
    return text if text.isprintable() else json.dumps(text)


def _field_text(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)


@lru_cache(1)
def _is_colored() -> bool:
    return has_colors(os.environ, is_terminal=sys.stdout.isatty())


def _style(code: str) -> str:
    return code if _is_colored() else ""


def _level(key: str, value: object) -> str:
    return f"{_style(_LEVEL_STYLES.get(str(value), _DIM))}{value!s:<7}{_style(_RESET)}"


@lru_cache(1)
def _renderer() -> ConsoleRenderer:
    dim, reset = _style(_DIM), _style(_RESET)
    return ConsoleRenderer(
        columns=[
            Column("", KeyValueColumnFormatter(dim, "", reset_style=reset, value_repr=_field_text)),
            Column("time", KeyValueColumnFormatter(None, dim, reset_style=reset, value_repr=str)),
            Column("level", _level),
            Column("event", KeyValueColumnFormatter(None, _style(_BOLD), reset_style=reset, value_repr=str)),
        ],
        exception_formatter=structlog.dev.plain_traceback,
    )
