"""Owns the gateway's own endpoints, which are ordinary Flask: health and, for the rest, problem details."""

from collections.abc import Mapping

from flask import Flask

from chassis.health import Check, health
from chassis.problem_answers import install_problem_answers
from chassis.request_context import install_request_context


def create_own_endpoints(checks: Mapping[str, Check]) -> Flask:
    """The Flask app behind the token proxy; `checks` say whether the gateway can do its work."""
    app = Flask("gateway", static_folder=None)
    install_request_context(app)
    install_problem_answers(app)
    app.register_blueprint(health(checks))
    return app


def own_paths(app: Flask) -> frozenset[bytes]:
    """The paths that `app` answers; they go before every route."""
    return frozenset(rule.rule.encode("ascii") for rule in app.url_map.iter_rules())
