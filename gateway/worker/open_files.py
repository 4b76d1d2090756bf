"""The open-file limit of a worker. Each connection is an open file, and shells often set a low limit."""

import resource

import structlog

SPARE = 256
"""Open files of a worker other than streams: listeners, connections to Redis and services, the log, modules."""

_log = structlog.get_logger("worker")


def allow_open_files(streams: int) -> None:
    """Raise the soft limit of open files to the hard limit, as HAProxy does. Forked workers inherit it.

    Log a warning if the limit is below what `streams` concurrent streams need: two files each, and SPARE others.
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
    except (OSError, ValueError):  # macOS allows at most kern.maxfilesperproc, even if the hard limit is higher
        return soft
    return hard
