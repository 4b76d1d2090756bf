"""Owns the form of every log line: one JSON object a line on standard output, with the request's id.

A token never stands in a log: whatever looks like one is masked here, should a careless line let it through.

Our own lines are written at once. As records of the standard library, which what others log goes through, each would
cost twice as much, and every request writes one or two.
"""

import json
import logging
import logging.config
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?")


def mask_tokens(text: str) -> str:
    """`text` with every JWT in it replaced by a mark."""
    return _JWT.sub("[token]", text)


def configure_logs(service: str, level: str) -> None:
    """Sends structlog's and the standard library's records to stdout as JSON lines. Idempotent."""
    structlog.configure(
        processors=[*_shared(service), _as_line],
        logger_factory=_StandardOutput,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(log_config(service, level))


def write_out(lines: bytes) -> None:
    """Writes whole lines to standard output at once, as one piece.

    What cannot be written is lost: a full disk must not fail the request as well.
    """
    try:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
    except OSError:
        return


class _StandardOutput:
    """Where our own lines go."""

    def __init__(self, *_: object) -> None:
        """Called by structlog."""

    def msg(self, line: bytes) -> None:
        """Writes a line."""
        write_out(line)

    debug = info = warning = error = critical = exception = msg


def log_config(service: str, level: str) -> dict[str, Any]:
    """The standard library's half, in logging.config's dictionary form; gunicorn takes it as well."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _as_text,
        ],
        "foreign_pre_chain": _shared(service),
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
        "root": {"level": level, "handlers": ["stdout"]},
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": ["stdout"], "propagate": False},
            # A logging dictionary switches gunicorn's access log on, whatever `accesslog` says; every service
            # writes a request's line itself, without its query.
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
            "alembic.runtime.plugins": {"level": "WARNING"},
        },
    }


def _shared(service: str) -> list[Processor]:
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
    # The whole line, so that a token in a list, a mapping or a traceback is found as well.
    return mask_tokens(_as_json(event))


def _as_line(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return (_as_text(_, __, event) + "\n").encode()
