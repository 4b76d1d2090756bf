"""The stack of the system tests behind an edge. Tests of other folders run through it when imported here."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.support.running_edge import HAPROXY, RunningEdge, run_edge
from tests.system.support.running_stack import Account, RunningStack, Tokens, run_stack

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of this folder where HAProxy is not installed."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and HAPROXY is None:
            item.add_marker(pytest.mark.skip(reason="HAProxy is not installed"))


@pytest.fixture(scope="session")
def edge_stack(databases: Path) -> Iterator[RunningStack]:
    """The stack behind the edge; its `url` is that of the gateway."""
    settings = {"REFRESH_GRACE": "1", "TRUSTED_PROXIES": "127.0.0.1", "DEVELOPMENT": "off"}
    with run_stack(databases, ALLOWED_ORIGINS="https://app.example", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def edge(edge_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """The edge in front of the stack."""
    with run_edge(edge_stack, tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture(scope="session")
def stack(edge_stack: RunningStack, edge: RunningEdge) -> RunningStack:
    """The same stack; its `url` is that of the edge."""
    return dataclasses.replace(edge_stack, url=edge.url)


@pytest.fixture(scope="session")
def account(stack: RunningStack) -> Account:
    """A user who registered through the edge."""
    return stack.register()


@pytest.fixture
def tokens(stack: RunningStack, account: Account) -> Tokens:
    """A new session of the account."""
    return stack.login(account)
