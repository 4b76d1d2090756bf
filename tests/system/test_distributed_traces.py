"""One trace leads from the gateway through a service to SQL and Redis."""

import time

from tests.otlp_collector import WAIT, Collector, Span
from tests.system.support.running_stack import RunningStack


def trace_of(collector: Collector, request_id: str, services: set[str]) -> list[Span]:
    """Return the spans of the request's trace, as soon as each of `services` has sent its span of the request."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        spans = list(collector.spans)
        ids = {span.trace_id for span in spans if span.attributes.get("sallyport.request_id") == request_id}
        found = [span for span in spans if span.trace_id in ids]
        if services <= {span.service for span in found if "sallyport.request_id" in span.attributes}:
            assert len(ids) == 1
            return found
        time.sleep(0.05)  # other processes send them: no clock to move
    raise AssertionError(f"no trace of {request_id} in {len(collector.spans)} spans")


def ancestors(span: Span, spans: list[Span]) -> list[str]:
    """Return the services of the spans above `span`, the nearest first."""
    by_id = {each.span_id: each for each in spans}
    above = []
    while span.parent_id:
        span = by_id[span.parent_id]
        above.append(span.service)
    return above


def test_a_refresh_is_one_trace_from_the_gateway_to_sql_and_redis(
    strict_stack: RunningStack, collector: Collector
) -> None:
    tokens = strict_stack.login(strict_stack.register())
    refreshed = strict_stack.try_refresh(tokens.refresh)
    spans = trace_of(collector, refreshed.headers["X-Request-Id"], {"sallyport-gateway", "sallyport-auth"})
    (statement, *_) = [span for span in spans if "UPDATE sessions" in str(span.attributes.get("db.query.text"))]
    (command, *_) = [span for span in spans if span.name == "redis"]
    for span in (statement, command):
        assert ancestors(span, spans) == ["sallyport-auth", "sallyport-gateway", "sallyport-gateway"]


def test_a_request_to_a_service_is_one_trace_from_the_gateway_to_sql(
    strict_stack: RunningStack, collector: Collector
) -> None:
    account = strict_stack.register()
    access = strict_stack.login(account).access
    answer = strict_stack.send("GET", "/api/notes/", access)
    spans = trace_of(collector, answer.headers["X-Request-Id"], {"sallyport-gateway", "sallyport-resource"})
    (statement, *_) = [span for span in spans if "SELECT" in str(span.attributes.get("db.query.text"))]
    assert ancestors(statement, spans) == ["sallyport-resource", "sallyport-gateway", "sallyport-gateway"]
    (own,) = [span for span in spans if span.service == "sallyport-resource" and span.name == "GET /api/notes/"]
    assert own.attributes["enduser.id"] == account.id
    sent = b"".join(collector.bodies)
    for secret in (*access.split("."), account.email, account.password):
        assert secret.encode() not in sent
