"""Logging: one JSON object per line, with the request id; on standard output, or for commands on standard error.

Everything that looks like a JWT is masked, in case that code logs a token by mistake.

Our own events bypass the logging module of the standard library, which would double the cost of a line. Records of
libraries go through it and have the same format.
"""

import json
import logging
import logging.config
import re
import sys
from contextlib import suppress
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?")
"""A JWT, also without its signature. `eyJ` is `{"` and the beginning of a letter in base64url."""


def mask_tokens(text: str) -> str:
    """Return `text` with every JWT replaced by `[token]`."""
    return _JWT.sub("[token]", text)


def configure_logs(service: str, level: str, *, to_stderr: bool = False) -> None:
    """Send records of structlog and of the standard library to stdout, or to stderr, as JSON lines. Idempotent."""
    structlog.configure(
        processors=[*_shared_processors(service), _as_line],
        logger_factory=_StandardError if to_stderr else _StandardOutput,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    config = log_config(service, level)
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


def log_config(service: str, level: str) -> dict[str, Any]:
    """Return a configuration for logging.config.dictConfig and for gunicorn's `logconfig_dict`."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _as_text,
        ],
        "foreign_pre_chain": _shared_processors(service),
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
        "root": {"level": level, "handlers": ["stdout"]},
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": ["stdout"], "propagate": False},
            # Off, because the services log their requests themselves, without the query string. With logconfig_dict
            # gunicorn would write an access log even with accesslog = None.
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
            "alembic.runtime.plugins": {"level": "WARNING"},
        },
    }


def _shared_processors(service: str) -> list[Processor]:
    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        add_service,
    ]


_as_json = json.JSONEncoder(default=repr).encode


def _as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    # The whole line is masked, so that a token in a list, a mapping or a traceback is found as well.
    return mask_tokens(_as_json(event))


def _as_line(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return (_as_text(_, __, event) + "\n").encode()
