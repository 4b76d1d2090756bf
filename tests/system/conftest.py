"""The stacks that system tests share, each started once."""

from collections.abc import Iterator

import pytest

from stack.plan import ROOT
from tests.system.support import big_upstream
from tests.system.support.running_stack import Account, RunningStack, Tokens, run_stack

BALANCER = "127.0.0.2"
"""The address of the trusted proxy, which the strict stack requires to use the PROXY protocol."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The stack of `make run`, with REFRESH_GRACE=1 and a service with large bodies at /big/."""
    folder = tmp_path_factory.mktemp("big")
    routes = folder / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    routes.write_text(shipped + big_upstream.ROUTES.format(socket=folder / "s"))
    settings = {"REFRESH_GRACE": "1", "GATEWAY_ROUTES": str(routes), "TRUSTED_PROXIES": BALANCER}
    with big_upstream.serve(folder / "s"), run_stack(**settings) as running:
        yield running


@pytest.fixture(scope="session")
def strict_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that refuses used refresh tokens at once and has rate limits. Its data folder has a long name."""
    folder = tmp_path_factory.mktemp("strict") / ("a folder " * 12).strip()
    settings = {"REFRESH_GRACE": "0", "REFRESH_CONFIRM": "off", "PAGE_SIZE": "20", "DATA_DIR": str(folder)}
    settings |= {"RATE_LIMITS": "on", "TRUSTED_PROXIES": BALANCER, "PROXY_PROTOCOL": "any"}
    with run_stack(AUTH_WORKERS="1", GATEWAY_WORKERS="1", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def account(stack: RunningStack) -> Account:
    """A user who registered with the shared stack."""
    return stack.register()


@pytest.fixture
def tokens(stack: RunningStack, account: Account) -> Tokens:
    """A new session of the shared account."""
    return stack.login(account)
