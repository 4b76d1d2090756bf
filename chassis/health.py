"""Health endpoints: /healthz (the process runs) and /readyz (it can serve requests)."""

from collections.abc import Callable, Mapping

import structlog
from flask import Blueprint, Response, jsonify

_log = structlog.get_logger("health")

Check = Callable[[], None]
"""A function that returns if a component can be used, and raises any exception if it cannot."""


def health_blueprint(
    required_checks: Mapping[str, Check], optional_checks: Mapping[str, Check] | None = None
) -> Blueprint:
    """Return the blueprint with /healthz and /readyz. The key of a check is the name of its component.

    A required check that fails makes /readyz answer 503, with the components in `failing`. Optional checks then do
    not run. An optional check that fails leaves the status at 200 and is listed in `degraded`, because the process
    works without that component.
    """
    optional = optional_checks or {}
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        failing = [name for name, check in required_checks.items() if not _passes(name, check)]
        if failing:
            return jsonify(status="not ready", failing=failing), 503
        degraded = [name for name, check in optional.items() if not _passes(name, check)]
        if degraded:
            return jsonify(status="ready", degraded=degraded), 200
        return jsonify(status="ready"), 200

    return blueprint


def _passes(name: str, check: Check) -> bool:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - any error means that the check fails
        _log.warning("readiness_check_failed", part=name, error=type(error).__name__)
        return False
    return True
