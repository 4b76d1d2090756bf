"""Health endpoints: /healthz (the process is alive) and /readyz (every check passes)."""

from collections.abc import Callable, Mapping

import structlog
from flask import Blueprint, Response, jsonify

_log = structlog.get_logger("health")

Check = Callable[[], None]
"""Return if the component can be used; raise any exception if it cannot."""


def health(checks: Mapping[str, Check], degraded: Mapping[str, Check] | None = None) -> Blueprint:
    """Return the blueprint with /healthz and /readyz. `checks` maps the name of a component to its check.

    A failing check makes /readyz a 503. Those in `degraded` are only reported: the process works without them.
    """
    optional = degraded or {}
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> tuple[Response, int]:
        failing = [name for name, check in checks.items() if not _passes(name, check)]
        if failing:
            return jsonify(status="not ready", failing=failing), 503
        failing_optional = [name for name, check in optional.items() if not _passes(name, check)]
        return jsonify(status="ready", degraded=failing_optional) if failing_optional else jsonify(
            status="ready"
        ), 200

    return blueprint


def _passes(name: str, check: Check) -> bool:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - any error of a check means not ready
        _log.warning("readiness_check_failed", part=name, reason=type(error).__name__)
        return False
    return True
