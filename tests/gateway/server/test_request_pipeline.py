"""Random input on a connection: every executed request is answered, no slot leaks, and nothing raises.

`make soak` sends 200,000 sequences against a worker of its own: see tests/load/soak/test_pipelines.py.
"""

import asyncio
import logging
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.gateway.conftest import MakeApp
from tests.gateway.running_gateway import running
from tests.gateway.server.random_sequences import ROUTES, send_all
from tests.ports import free_port

COUNT = 400
"""Number of sequences."""
AT_ONCE = 20
"""Number of concurrent connections."""
SLOTS = 3 * AT_ONCE


@pytest.mark.parametrize("seed", [1, 2])
def test_every_executed_request_is_answered_and_no_slot_leaks(
    make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    service_port = free_port()
    routes = tmp_path / "routes.toml"
    routes.write_text(ROUTES.format(port=service_port, slots=SLOTS))
    app = make_app(GATEWAY_ROUTES=str(routes))
    with capture_logs() as lines, running(app, until="/healthz") as gateway:
        outcome = asyncio.run(
            send_all(gateway.port, service_port, seed, COUNT, at_once=AT_ONCE, slots=SLOTS),
        )
    assert outcome.faults == []
    assert outcome.sent == COUNT
    assert outcome.responses > COUNT
    assert outcome.all_slots_are_free
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
