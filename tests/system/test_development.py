"""`make run` serves the first page, and its workers share the faults that are switched on."""

from collections.abc import Iterator

import pytest
import requests

from tests.system.support.running_stack import RunningStack

PATH = "/api/no-such-path"


@pytest.fixture
def fault(stack: RunningStack) -> Iterator[None]:
    order = {"fault": "unavailable", "path": PATH, "seconds": 60}
    assert stack.send("POST", "/development/faults", json=order).status_code == 200
    yield
    assert stack.send("DELETE", "/development/faults").json()["faults"] == []


def test_every_worker_plays_a_fault_from_the_next_request_on(stack: RunningStack, fault: None) -> None:
    """The kernel gives each connection to any worker."""
    statuses = {requests.get(stack.url + PATH, timeout=30).status_code for _ in range(20)}
    assert statuses == {503}


def test_the_first_page_shows_that_all_parts_are_up(stack: RunningStack) -> None:
    assert "The gateway is running" in stack.send("GET", "/").text
    parts = {part["name"]: part["state"] for part in stack.send("GET", "/development/health").json()["parts"]}
    assert parts == dict.fromkeys(("gateway", "auth service", "notes service", "Redis", "SQL"), "up") | {
        "big service": parts["big service"]
    }
