"""The fixture of tests that need a gateway with a bounded route."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.server.bounded_route import ROUTES


@pytest.fixture(scope="module")
def bounded(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with the routes of bounded_route.py."""
    routes: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(ROUTES)
    with running(make_app(GATEWAY_ROUTES=str(routes)), until="/healthz") as gateway:
        yield gateway
