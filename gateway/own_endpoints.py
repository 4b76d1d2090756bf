"""Owns the gateway's own endpoints, which are ordinary Flask: health and, for the rest, problem details."""

from collections.abc import Mapping

from flask import Blueprint, Flask

from chassis.health import Check, health
from chassis.problem_answers import install_problem_answers
from chassis.request_context import install_request_context


def create_own_endpoints(checks: Mapping[str, Check], *blueprints: Blueprint) -> Flask:
    """The Flask app behind the token proxy; `checks` say whether the gateway can do its work."""
    app = Flask("gateway", static_folder=None)
    install_request_context(app)
    install_problem_answers(app)
    app.url_map.strict_slashes = False
    for blueprint in (health(checks), *blueprints):
        app.register_blueprint(blueprint)
    return app


def own_paths(app: Flask) -> frozenset[bytes]:
    """The paths that `app` answers; they go before every route."""
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    return frozenset(path.encode("ascii") for rule in rules for path in (rule, rule.rstrip("/")))
