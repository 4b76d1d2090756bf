"""Fixtures of the routing tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import MakeApp
from tests.gateway.raw_client import RawResponse
from tests.gateway.running_gateway import RunningGateway, running
from tests.gateway.stand_ins.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority that the gateway trusts."""
    return Authority(tmp_path_factory.mktemp("certificates"), "ours")


@pytest.fixture(scope="module")
def routes_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A routes file with the text of the test module's constant ROUTES."""
    file: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    file.write_text(request.module.ROUTES)
    return file


@pytest.fixture(scope="module")
def served(make_app: MakeApp, routes_file: Path) -> Iterator[RunningGateway]:
    """A running gateway with the test module's ROUTES."""
    with running(make_app(GATEWAY_ROUTES=str(routes_file))) as gateway:
        yield gateway


def send(gateway: RunningGateway, path: str, method: str = "GET", body: bytes = b"") -> RawResponse:
    """Send one request on a new connection, and return the response."""
    with gateway.connect() as client:
        return client.request(f"{method} {path} HTTP/1.1", "Host: gateway", f"Content-Length: {len(body)}", body=body)
