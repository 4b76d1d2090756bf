"""Owns /healthz (the process serves) and /readyz (it can do its work: every check passes)."""

from collections.abc import Callable, Mapping

import structlog
from flask import Blueprint, Response, jsonify

_log = structlog.get_logger("health")

Check = Callable[[], None]
"""Returns when its part can be used, and raises whatever the part raises when it cannot."""


def health(checks: Mapping[str, Check], degraded: Mapping[str, Check] | None = None) -> Blueprint:
    """The blueprint that answers /healthz and /readyz; checks are named after what they look at.

    Those in `degraded` are reported but do not decide: the process can do its work without these parts.
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
        limping = [name for name, check in optional.items() if not _passes(name, check)]
        return jsonify(status="ready", degraded=limping) if limping else jsonify(status="ready"), 200

    return blueprint


def _passes(name: str, check: Check) -> bool:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever a part raises, it is not ready
        _log.warning("readiness_check_failed", part=name, reason=type(error).__name__)
        return False
    return True
