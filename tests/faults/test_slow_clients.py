"""Connections of slow clients are closed at a deadline, and other clients are not slowed down."""

import asyncio
import threading
import time
from collections.abc import Sequence

from gateway.server.connection_deadlines import ClientTimeouts
from tests.faults.support.figures import AddFigure, percentile, percentiles_in_ms
from tests.faults.support.running_system import RunningSystem
from tests.faults.support.steady_traffic import KINDS, SAME_ORIGIN, SteadyTraffic
from tests.slow_clients import SLOW_HEADS, SlowConnection, run_slow_clients, slow_bodies

CLIENTS = 400
PAUSE = 1.0
"""Seconds between two writes of a slow client."""
DEADLINE = ClientTimeouts().head + 3
"""Seconds. The gateway checks deadlines once per second, and this process needs time to notice the close."""


def test_slow_clients_are_closed_and_do_not_slow_others_down(system: RunningSystem, add_figure: AddFigure) -> None:
    """Four hundred clients send heads, and bodies for the notes, the log-in and the gateway's own endpoints."""
    client = system.client()
    access = client.login(client.register()).access
    page_headers = [f"{name.replace('_', '-')}: {value}" for name, value in SAME_ORIGIN.items()]
    kinds = {
        **SLOW_HEADS,
        **slow_bodies("/api/notes/", f"Authorization: Bearer {access}"),
        **slow_bodies("/auth/jwt/create/"),
        **dict([*slow_bodies("/session/", *page_headers).items()][:1]),  # without the chunked bodies
    }
    port = int(system.url.rpartition(":")[2])
    closed: list[SlowConnection] = []
    with SteadyTraffic(system.url) as traffic:
        slow = threading.Thread(
            target=lambda: closed.extend(asyncio.run(run_slow_clients(port, kinds, CLIENTS, PAUSE)))
        )
        began = time.monotonic()
        slow.start()
        slow.join(60)
        report = traffic.since(began)
    for kind in KINDS:
        seconds = [outcome.response.seconds for outcome in report.outcomes if outcome.kind == kind]
        add_figure(f"during {CLIENTS} slow clients, {kind}: {len(seconds)} requests, {percentiles_in_ms(seconds)}")
    add_figure(f"slow clients were closed after {shortest_and_longest(closed)}")
    assert len(closed) == CLIENTS
    assert {one.kind: one.seconds for one in closed if one.seconds > DEADLINE} == {}
    assert report.statuses() == {200}, report.failures()
    for kind in KINDS:
        seconds = [outcome.response.seconds for outcome in report.outcomes if outcome.kind == kind]
        assert percentile(seconds, 99) < 1


def shortest_and_longest(closed: Sequence[SlowConnection]) -> str:
    """Return the shortest and the longest duration as text."""
    seconds = [one.seconds for one in closed]
    return f"{min(seconds):.1f} to {max(seconds):.1f} s"
