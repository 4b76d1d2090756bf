"""The log line of a request names the route and the caller."""

from structlog.testing import capture_logs

from tests.resource_service.callers import Caller


def test_a_log_line_names_the_route_and_the_caller(ada: Caller) -> None:
    with capture_logs() as lines:
        ada.get("/api/notes/")
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["route"], line["status"]) == ("/api/notes/", 200)
    assert line["subject"] == ada.identity.subject
    assert line["sid"] == ada.identity.session
