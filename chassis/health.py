"""Health endpoints: /healthz (the process runs) and /readyz (it can serve requests)."""

from collections.abc import Callable, Mapping

import structlog
from flask import Blueprint, Response, jsonify

_log = structlog.get_logger("health")

Check = Callable[[], None]
"""Return normally if the component can be used. Raise any exception if it cannot."""


def health_blueprint(
    required_checks: Mapping[str, Check], optional_checks: Mapping[str, Check] | None = None
) -> Blueprint:
    """Return the blueprint with /healthz and /readyz. The checks are given by the name of the component.

    A required check that fails makes /readyz answer 503. An optional check that fails is only listed in the response
    as `degraded`, because the process works without that component.
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
