"""Owns the form of every log line: one JSON object a line on standard output, with the request's id.

A token never stands in a log: whatever looks like one is masked here, should a careless line let it through.
"""

import logging
import logging.config
import re
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
        processors=[*_shared(service), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(log_config(service, level))


def log_config(service: str, level: str) -> dict[str, Any]:
    """The standard library's half, in logging.config's dictionary form; gunicorn takes it as well."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
            _masked,
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


def _masked(_: WrappedLogger, __: str, line: str) -> str:
    # The whole line, so that a token in a list, a mapping or a traceback is found as well.
    return mask_tokens(line)
