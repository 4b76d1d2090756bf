"""/development/faults/: a fault is on for a time, in every worker."""

import json
import os
from typing import Any

import pytest

from gateway.development.fault_switch import FaultSwitch, SwitchedFault
from tests.clocks import MovableClock
from tests.gateway.development.conftest import Development
from tests.gateway.raw_client import RawResponse


def faults(response: RawResponse) -> list[dict[str, Any]]:
    """Return the faults in a response of /development/faults/."""
    assert response.status == 200, response
    found: list[dict[str, Any]] = json.loads(response.body)["faults"]
    return found


def test_a_fault_ends_after_its_time(development: Development) -> None:
    development.turn_on(b'{"fault": "unavailable", "seconds": 10}')
    assert development.request("GET /public/x").status == 503
    development.clock.move(11)
    assert development.request("GET /public/x").status == 200
    assert faults(development.request("GET /development/faults")) == []


def test_a_fault_ends_after_its_number_of_requests(development: Development) -> None:
    development.turn_on(b'{"fault": "unavailable", "count": 2}')
    statuses = [development.request("GET /public/x").status for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_a_fault_applies_to_paths_that_begin_with_its_path(development: Development) -> None:
    development.turn_on(b'{"fault": "unavailable", "path": "/public/a"}')
    assert development.request("GET /public/ab").status == 503
    assert development.request("GET /public/b").status == 200


def test_a_token_counts_as_expired_also_for_a_request_that_came_before(development: Development) -> None:
    """The gateway remembers how it matched earlier requests with the same header section."""
    bearer = development.bearer()
    for _ in range(4):
        assert development.request("GET /api/x", bearer).status == 200
    development.turn_on(b'{"fault": "expired-token"}')
    assert development.request("GET /api/x", bearer).status == 401
    development.request("DELETE /development/faults")
    assert development.request("GET /api/x", bearer).status == 200


def test_the_header_field_precedes_the_switch(development: Development) -> None:
    development.turn_on(b'{"fault": "unavailable"}')
    assert development.request("GET /api/x", development.bearer(), "X-Sallyport-Fault: expired-token").status == 401


def test_the_list_shows_what_is_on(development: Development) -> None:
    development.turn_on(b'{"fault": "expired-token", "seconds": 5}')
    shown = faults(development.turn_on(b'{"fault": "lost-answer", "seconds": 60, "path": "/auth/", "count": 3}'))
    assert [(each["fault"], each["path"], each["count"]) for each in shown] == [
        ("lost-answer", "/auth/", 3),
        ("expired-token", "/", None),
    ]
    assert 50 < shown[0]["seconds"] <= 60


def test_the_same_fault_for_the_same_path_is_replaced(development: Development) -> None:
    for seconds in (5, 30):
        shown = faults(development.turn_on(json.dumps({"fault": "unavailable", "seconds": seconds}).encode()))
    assert len(shown) == 1
    assert shown[0]["seconds"] > 20


def test_all_faults_are_switched_off(development: Development) -> None:
    development.turn_on(b'{"fault": "unavailable"}')
    assert faults(development.request("DELETE /development/faults/")) == []
    assert development.request("GET /public/x").status == 200


def test_the_switch_and_the_health_endpoints_have_no_faults(development: Development) -> None:
    development.turn_on(b'{"fault": "unavailable"}')
    assert development.request("GET /healthz").status == 200
    assert len(faults(development.request("GET /development/faults"))) == 1


def test_preflights_have_no_faults(development: Development) -> None:
    development.turn_on(b'{"fault": "unavailable"}')
    preflight = ("Origin: http://localhost:8100", "Access-Control-Request-Method: POST")
    assert development.request("OPTIONS /public/x", *preflight).status == 204
    assert development.request("OPTIONS /public/x").status == 503


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"fault": "lost"}', "fault"),
        (b"{}", "fault"),
        (b'{"fault": "unavailable", "seconds": 0}', "seconds"),
        (b'{"fault": "unavailable", "seconds": 3601}', "seconds"),
        (b'{"fault": "unavailable", "seconds": "10"}', "seconds"),
        (b'{"fault": "unavailable", "path": "api"}', "path"),
        (b'{"fault": "unavailable", "count": 0}', "count"),
        (b'{"fault": "unavailable", "second": 3}', "second"),
    ],
)
def test_an_invalid_order_is_refused_by_field(development: Development, body: bytes, field: str) -> None:
    response = development.turn_on(body)
    assert (response.status, list(response.problem["errors"])) == (400, [field])
    assert faults(development.request("GET /development/faults")) == []


def test_a_body_that_is_no_json_is_refused(development: Development) -> None:
    assert development.turn_on(b"fault=unavailable").status == 400


def test_a_form_of_another_site_cannot_switch_a_fault_on(development: Development) -> None:
    body = b'{"fault": "unavailable"}'
    response = development.request("POST /development/faults", "Content-Type: text/plain", body=body)
    assert response.status == 415


def test_workers_share_the_faults() -> None:
    """A worker is forked from the process that has created the switch."""
    switch = FaultSwitch(MovableClock(1_000.0))
    switch.turn_on("unavailable", "/api/", 10, 2)
    worker = os.fork()
    if not worker:
        taken = switch.take("/api/x")
        switch.turn_on("lost-answer", "/auth/", 5, None)
        os._exit(0 if taken == "unavailable" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
    assert switch.faults() == [
        SwitchedFault("lost-answer", "/auth/", 1_005.0),
        SwitchedFault("unavailable", "/api/", 1_010.0, 1),
    ]
    assert switch.take("/auth/") == "lost-answer"
    assert switch.take("/other") is None
