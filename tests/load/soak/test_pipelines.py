"""Two hundred thousand connections with random pipelined requests, invalid bytes and early closes, at one worker.

A lower SOAK_PIPELINES makes the test shorter; SOAK_SEED repeats a run with the seed that it printed.
"""

import os
import time
from collections.abc import Iterator

import pytest
import uvloop

from tests.faults.support.figures import AddFigure
from tests.faults.support.running_system import RunningSystem, running_system
from tests.gateway.server.random_sequences import ROUTES, Outcome, send_all
from tests.load.soak.test_memory import MAX_GROWTH, resident
from tests.ports import free_port

PIPELINES = int(os.environ.get("SOAK_PIPELINES") or 200_000)
SEED = int(os.environ.get("SOAK_SEED") or time.time())
WARM_UP = min(10_000, PIPELINES // 4)
"""Connections after which the caches are as full as they get."""
AT_ONCE = 50
"""Connections that are open at the same time."""
SLOTS = 3 * AT_ONCE
"""Value of `max_concurrent` of the limited route."""
SHOWN = 5
"""Maximum number of faults that a failed test shows."""


@pytest.fixture(scope="module")
def system() -> Iterator[RunningSystem]:
    with running_system() as running:
        yield running


def test_pipelines_leak_no_concurrency_slot_and_no_memory_and_log_no_error(
    system: RunningSystem, add_figure: AddFigure
) -> None:
    """Every request that the service handled got its response, and no other request got one."""
    service_port = free_port()
    routes = ROUTES.format(port=service_port, slots=SLOTS)
    settings = {"GATEWAY_WORKERS": "1", "ACCESS_LOG": "off"}

    def send_connections(port: int, seed: int, count: int) -> Outcome:
        return uvloop.run(send_all(port, service_port, seed, count, at_once=AT_ONCE, slots=SLOTS))

    with system.extra_gateway_with_routes("pipelines", routes, **settings) as (process, url):
        port = int(url.rpartition(":")[2])
        began = time.monotonic()
        outcomes = [send_connections(port, SEED, WARM_UP)]
        early = resident(process)
        outcomes.append(send_connections(port, SEED + 1, PIPELINES - WARM_UP))
        late = resident(process)
        took = time.monotonic() - began
    responses = sum(outcome.responses for outcome in outcomes)
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    add_figure(
        f"{PIPELINES} connections in {took:.0f} s (SOAK_SEED={SEED}), {responses} responses, {len(faults)} faults: "
        f"{early / 2**20:.1f} MiB after {WARM_UP}, {late / 2**20:.1f} MiB at the end"
    )
    assert faults[:SHOWN] == []
    assert sum(outcome.sent for outcome in outcomes) == PIPELINES
    assert all(outcome.all_slots_are_free for outcome in outcomes)
    assert [line for line in process.log_lines if "Traceback" in line or '"level": "error"' in line][:SHOWN] == []
    assert late < early * MAX_GROWTH
