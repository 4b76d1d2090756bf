"""R34: connections of clients that send slowly are closed at a timeout; other clients are not affected."""

import asyncio
import threading
import time
from collections.abc import Sequence

from gateway.server.http_protocol import ServerProtocol
from tests.faults.figures import Say, in_ms
from tests.faults.running_system import RunningSystem
from tests.faults.steady_traffic import KINDS, SAME_ORIGIN, SteadyTraffic
from tests.slow_clients import SLOW_HEADS, SlowClient, crowd, slow_bodies

CLIENTS = 400
DROP = 1.0
"""Seconds from drop to drop."""
DEADLINE = ServerProtocol.timeouts.head + 3
"""Seconds: the sweep looks once a second, and this process has to look, too."""


def test_four_hundred_slow_clients_are_closed_and_slow_nobody_down(system: RunningSystem, say: Say) -> None:
    """They send heads, and bodies for the notes, the log-in and the gateway's own endpoints."""
    client = system.client()
    access = client.login(client.register()).access
    ours = [f"{name.replace('_', '-')}: {value}" for name, value in SAME_ORIGIN.items()]
    kinds = {
        **SLOW_HEADS,
        **slow_bodies("/api/notes/", f"Authorization: Bearer {access}"),
        **slow_bodies("/auth/jwt/create/"),
        **dict([*slow_bodies("/session/", *ours).items()][:1]),  # takes no chunks
    }
    port = int(system.url.rpartition(":")[2])
    kept: list[SlowClient] = []
    with SteadyTraffic(system.url) as traffic:
        slow = threading.Thread(target=lambda: kept.extend(asyncio.run(crowd(port, kinds, CLIENTS, DROP))))
        mark = time.monotonic()
        slow.start()
        slow.join(60)
        tally = traffic.since(mark)
    for kind in KINDS:
        seconds = [outcome.answer.seconds for outcome in tally.outcomes if outcome.kind == kind]
        say(f"beside {CLIENTS} slow clients, {kind}: {len(seconds)} requests, {in_ms(seconds)}")
    say(f"slow clients were closed after {span(kept)}")
    assert len(kept) == CLIENTS
    assert {one.kind: one.seconds for one in kept if one.seconds > DEADLINE} == {}
    assert tally.statuses() == {200}, tally.wrong()
    for kind in KINDS:
        seconds = sorted(outcome.answer.seconds for outcome in tally.outcomes if outcome.kind == kind)
        assert seconds[int(len(seconds) * 0.99)] < 1


def span(kept: Sequence[SlowClient]) -> str:
    """In words."""
    seconds = [one.seconds for one in kept]
    return f"{min(seconds):.1f} to {max(seconds):.1f} s"
