"""Logging: JSON objects or lines for a terminal, on standard output, or for commands on standard error.

Everything that looks like a JWT is masked, in case that code logs a token by mistake.

One JSON object per line is the default; LOG_FORMAT=console selects the other form (chassis/console_log.py).

Our own events bypass the logging module of the standard library, which would double the cost of a line. Records of
libraries go through it and have the same format.
"""

import json
import logging
import logging.config
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["json", "console"]

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?")
"""A JWT, also without its signature. `eyJ` is `{"` and the beginning of a letter in base64url."""


def mask_tokens(text: str) -> str:
    """Return `text` with every JWT replaced by `[token]`."""
    return _JWT.sub("[token]", text)


def configure_logs(service: str, level: str, log_format: LogFormat = "json", *, to_stderr: bool = False) -> None:
    """Send records of structlog and of the standard library to stdout, or to stderr, as lines. Idempotent."""
    render = _renderer(log_format)

    def as_line(logger: WrappedLogger, name: str, event: EventDict) -> bytes:
        return (render(logger, name, event) + "\n").encode()

    structlog.configure(
        processors=[*_shared_processors(service, log_format), as_line],
        logger_factory=_StandardError if to_stderr else _StandardOutput,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    # Otherwise a record that cannot be written, as on a full disk, would be printed to stderr without a mask.
    logging.raiseExceptions = False
    config = log_config(service, level, log_format)
    if to_stderr:
        config["handlers"]["stdout"]["stream"] = "ext://sys.stderr"
    logging.config.dictConfig(config)


def write_out(lines: bytes) -> None:
    """Write complete lines to standard output and flush them.

    If that fails, the lines are lost, because a full disk must not fail the request.
    """
    try:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
    except OSError:
        return


class _StandardOutput:
    """A structlog logger that writes to standard output."""

    def __init__(self, *_: object) -> None:
        """Ignore the logger's name, which structlog passes: the lines do not show it."""

    def msg(self, line: bytes) -> None:
        """Write `line`, which ends with a line break."""
        write_out(line)

    debug = info = warning = error = critical = exception = msg


class _StandardError:
    """A structlog logger that writes to standard error."""

    def __init__(self, *_: object) -> None:
        """Ignore the logger's name, which structlog passes: the lines do not show it."""

    def msg(self, line: bytes) -> None:
        """Write `line`, which ends with a line break."""
        with suppress(OSError):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()

    debug = info = warning = error = critical = exception = msg


def log_config(service: str, level: str, log_format: LogFormat = "json") -> dict[str, Any]:
    """Return a configuration for logging.config.dictConfig and for gunicorn's `logconfig_dict`."""
    # A terminal does not show the starts and stops of servers and workers, and the steps of migrations.
    quiet = {"level": "WARNING"} if (log_format, level) == ("console", "INFO") else {}
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _renderer(log_format),
        ],
        "foreign_pre_chain": _shared_processors(service, log_format),
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stdout"}
        },
        "root": {"level": level, "handlers": ["stdout"]},
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": ["stdout"], "propagate": False} | quiet,
            # Off, because the services log their requests themselves, without the query string. With logconfig_dict
            # gunicorn would write an access log even with accesslog = None.
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
            "alembic.runtime.plugins": {"level": "WARNING"},
            "alembic": quiet,
            "uvicorn": quiet,
        },
    }


def _shared_processors(service: str, log_format: LogFormat) -> list[Processor]:
    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        *([structlog.processors.format_exc_info] if log_format == "json" else []),
        add_service,
    ]


_as_json = json.JSONEncoder(default=repr).encode


def _renderer(log_format: LogFormat) -> Callable[[WrappedLogger, str, EventDict], str]:
    """Return the last processor of structlog, which makes a text of an event."""
    # Imported for a terminal only: structlog's renderer imports Rich, if that is installed.
    if log_format == "console":
        from chassis.console_log import console_text

        text_of: Callable[[EventDict], str] = console_text
    else:
        text_of = _as_json

    def render(_: WrappedLogger, __: str, event: EventDict) -> str:
        # The whole text is masked, so that a token in a list, a mapping or a traceback is found as well.
        return mask_tokens(text_of(event))

    return render
