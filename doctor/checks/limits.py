"""Limits of the gateway and the services that do not fit together."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from doctor.checks.timeouts import UPSTREAM_OF
from doctor.finding import Problem, error, warning
from doctor.probes.configuration import GunicornOptions

if TYPE_CHECKING:
    from gateway.routing.routes import RouteTable
    from gateway.settings import GatewaySettings

ADDED_FIELDS, ADDED_BYTES = 30, 8_192
"""What the gateway may add to a request: forwarding fields, and one field of at most this size, the assertion."""
SPARE_FILES = 256
"""Open files of a worker other than streams (gateway/worker/open_files.py)."""


def headers(settings: "GatewaySettings", gunicorn: Mapping[str, GunicornOptions]) -> Iterator[Problem]:
    """Return the services that refuse heads that the gateway lets through."""
    for service, options in gunicorn.items():
        fields = settings.max_header_fields + ADDED_FIELDS
        # gunicorn takes 0 for its own maximum.
        if 0 < options.limit_request_fields < fields:
            yield error(
                f"MAX_HEADER_FIELDS is {settings.max_header_fields}, and {service} accepts "
                f"{options.limit_request_fields} fields (GUNICORN_CMD_ARGS): requests fail behind the gateway.",
                f"Remove --limit-request-fields from GUNICORN_CMD_ARGS of {service}, or lower MAX_HEADER_FIELDS.",
            )
        if 0 < options.limit_request_field_size < settings.max_header_bytes:
            yield error(
                f"MAX_HEADER_BYTES is {settings.max_header_bytes}, and {service} accepts "
                f"{options.limit_request_field_size} bytes a field (GUNICORN_CMD_ARGS): requests fail behind the "
                "gateway.",
                f"Remove --limit-request-field_size from GUNICORN_CMD_ARGS of {service}, or lower MAX_HEADER_BYTES.",
            )


def bodies(table: "RouteTable", maximum: Mapping[str, int]) -> Iterator[Problem]:
    """Return the routes that let larger bodies through than the service accepts. `maximum`: bytes, by service."""
    for service, limit in maximum.items():
        larger = {
            route.prefix: route.max_body
            for route in table.routes
            if route.upstream.name == UPSTREAM_OF[service] and route.max_body > limit
        }
        for prefix, size in larger.items():
            yield warning(
                f"The route {prefix} lets bodies of {size} bytes through, and {service} refuses more than {limit} "
                "with 413.",
                f"Set max_body of the route to {limit} in routes.toml.",
            )


def open_files(streams: int, allowed: int) -> Iterator[Problem]:
    """Return whether a gateway worker may open fewer files than its streams need. `allowed` -1: no limit."""
    needed = 2 * streams + SPARE_FILES
    if 0 <= allowed < needed:
        yield warning(
            f"A gateway worker may open {allowed} files, and GATEWAY_STREAMS={streams} needs {needed}.",
            f"Raise the limit (`ulimit -n {needed}`, LimitNOFILE= of systemd, ulimits of Compose), or lower "
            "GATEWAY_STREAMS.",
        )


def hash_memory(needed: int, limit: int | None) -> Iterator[Problem]:
    """Return whether parallel password hashes need more memory than the container has. Both in bytes."""
    if limit is not None and needed > limit / 2:
        yield warning(
            f"Password hashes of all workers may need {needed >> 20} MiB at once, and the container has "
            f"{limit >> 20} MiB.",
            "Raise the memory limit (AUTH_MEMORY), or lower AUTH_WORKERS, HASH_CONCURRENCY or ARGON2_MEMORY_COST.",
        )
