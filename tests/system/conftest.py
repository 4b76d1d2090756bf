"""The stacks that system tests share, each started once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.auth_service.djoser.recordings import ACTIVATION
from tests.otlp_collector import Collector, collecting
from tests.system.support import big_upstream
from tests.system.support.databases import make_databases
from tests.system.support.running_edge import BEHIND_EDGE, EDGE_SETTINGS, reached
from tests.system.support.running_stack import Account, RunningStack, Tokens, run_stack

FOLDER = Path(__file__).parent
BALANCER = "127.0.0.2"
"""The address of the trusted proxy, which the strict stack requires to use the PROXY protocol."""


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as a system test."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The stack of `make run`, with REFRESH_GRACE=1 and a service with large bodies at /big/."""
    folder = tmp_path_factory.mktemp("big")
    routes = folder / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    routes.write_text(shipped + big_upstream.ROUTES.format(socket=folder / "s"))
    settings = {"REFRESH_GRACE": "1", "GATEWAY_ROUTES": str(routes), "TRUSTED_PROXIES": BALANCER}
    settings |= EDGE_SETTINGS if BEHIND_EDGE else {}
    with (
        big_upstream.serve(folder / "s"),
        run_stack(**settings) as running,
        reached(running, tmp_path_factory.mktemp("shared-edge")) as stack,
    ):
        yield stack


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """The collector that receives the traces of the strict stack."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="session")
def strict_stack(
    databases: Path, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[RunningStack]:
    """A stack that refuses used refresh tokens at once. It has rate limits, traces, and a long path of its data."""
    folder = tmp_path_factory.mktemp("strict") / ("a folder " * 12).strip()
    shutil.copytree(databases, folder)
    settings = {"REFRESH_GRACE": "0", "REFRESH_CONFIRM": "off", "PAGE_SIZE": "20", "DATA_DIR": str(folder)}
    settings |= {"RATE_LIMITS": "on", "TRUSTED_PROXIES": BALANCER, "PROXY_PROTOCOL": "any"}
    settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with run_stack(AUTH_WORKERS="1", GATEWAY_WORKERS="1", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with secrets and with the databases of both services, migrated and empty."""
    folder = tmp_path_factory.mktemp("databases")
    make_databases(folder)
    return folder


@pytest.fixture(scope="session")
def activation_stack(databases: Path) -> Iterator[RunningStack]:
    """A stack that requires new users to verify their address, with the settings of the recordings."""
    with run_stack(databases, AUTH_WORKERS="1", GATEWAY_WORKERS="1", **ACTIVATION.settings) as running:
        yield running


@pytest.fixture(scope="session")
def account(stack: RunningStack) -> Account:
    """A user who registered with the shared stack."""
    return stack.register()


@pytest.fixture
def tokens(stack: RunningStack, account: Account) -> Tokens:
    """A new session of the shared account."""
    return stack.login(account)
