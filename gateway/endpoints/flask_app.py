"""The Flask application of the gateway's own endpoints: health, sessions, tickets and metrics.

/metrics is served only on the internal address (GATEWAY_INTERNAL_BIND).
"""

from collections.abc import Mapping

import structlog
from flask import Blueprint, Flask, Response, request
from prometheus_client import Counter, Histogram

from chassis.health import Check, health_blueprint
from chassis.metrics.multiprocess import render_metrics
from chassis.metrics.request_metrics import BUCKETS, install_request_metrics
from chassis.problem_details import install_problem_details, problem_response
from chassis.request_context import install_request_context
from contract.problems import Refused
from gateway.http.origin import printable
from gateway.observability.metrics import Metrics
from gateway.pipeline.login_redirect import BrowserRefusal

_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_log = structlog.get_logger("gateway_endpoints")


def create_gateway_endpoints(checks: Mapping[str, Check], metrics: Metrics, *blueprints: Blueprint) -> Flask:
    """Return the Flask application with `blueprints` and the health endpoints, which run `checks`."""
    app = Flask("gateway", static_folder=None)
    install_request_context(app)
    _count_requests(app, metrics)
    install_problem_details(app)
    app.register_error_handler(Refused, _refusal)
    app.url_map.strict_slashes = False
    for blueprint in (health_blueprint(checks), *blueprints):
        app.register_blueprint(blueprint)
    app.after_request(_add_security_headers)
    return app


def _count_requests(app: Flask, metrics: Metrics) -> None:
    install_request_metrics(
        app,
        Counter(
            "sallyport_gateway_endpoint_requests",
            "Requests for the gateway's own endpoints, except health checks.",
            ["route", "method", "status"],
            registry=metrics.registry,
        ),
        Histogram(
            "sallyport_gateway_endpoint_duration_seconds",
            "Seconds until the response of an endpoint of the gateway begins.",
            ["route"],
            buckets=BUCKETS,
            registry=metrics.registry,
        ),
    )


def _refusal(refused: Refused) -> Response:
    if refused.code == "cross_site":
        _log.info(
            "cross_site_refused",
            origin=printable(request.headers.get("Origin", "")),
            reason=refused.detail,
        )
    if isinstance(refused, BrowserRefusal):
        return Response(refused.page, refused.status, refused.to_headers(), content_type="text/html; charset=utf-8")
    return problem_response(refused)


def _add_security_headers(response: Response) -> Response:
    # Unless a view sets others: no response is a page, so browsers must not frame it, run its scripts or send a
    # Referer (ASVS 5.0, V3.4).
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def internal_endpoints(metrics: Metrics) -> Blueprint:
    """Return the blueprint of /metrics."""
    blueprint = Blueprint("internal", __name__)

    @blueprint.get("/metrics")
    def show_metrics() -> Response:
        body, content_type = render_metrics(metrics.registry)
        return Response(body, content_type=content_type)

    return blueprint


def endpoint_paths(app: Flask, *, internal: bool) -> frozenset[bytes]:
    """Return the paths that `app` serves on the public address, or with `internal` on the internal address.

    Each is returned with and without a slash at its end. They take precedence over routes. Rules with a variable part
    are not among them: their paths are in GatewayPaths.prefixes.
    """
    rules = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if "<" not in rule.rule and (internal or not rule.endpoint.startswith("internal."))
    }
    return frozenset(path.encode("ascii") for rule in rules for path in (rule, rule.rstrip("/")))
