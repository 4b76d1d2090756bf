"""Owns how many files a worker may open: each connection is one, and shells allow fewer than systems bear."""

import resource

import structlog

SPARE = 256
"""What a worker opens besides streams: its listeners, connections to Redis and services, the log, modules."""

_log = structlog.get_logger("worker")


def allow_open_files(streams: int) -> None:
    """Raises the limit to what the system allows at most, as nginx and HAProxy do; workers inherit it by their fork.

    Says so in the log where even that is less than `streams` streams need, two files each.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        soft = _raised(soft, hard)
    needed = 2 * streams + SPARE
    if soft != resource.RLIM_INFINITY and soft < needed:
        _log.warning("open_file_limit_low", allowed=soft, needed=needed, setting="GATEWAY_STREAMS")


def _raised(soft: int, hard: int) -> int:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS bears no more than kern.maxfilesperproc, whatever its hard limit says
        return soft
    return hard
