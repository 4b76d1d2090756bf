"""Settings of the test run: Hypothesis profiles, and how test files are spread over workers."""

import gc
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.secrets_in_logs import (  # noqa: F401 - hooks
    pytest_configure,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

# A property does not depend on how fast the machine is.
settings.register_profile("sallyport", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sallyport")

_SYSTEM_TESTS = "tests/system/"
_GIVEN_ONE_BY_ONE = ("tests/clients/", "tests/browser/app/test_appearance.py", "tests/browser/test_pages.py")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without garbage collection, and exempt them from it, which otherwise visits all of them often.

    In 900 tests of the auth service, full collections took 3.8 of 41 CPU seconds instead of 11.2 of 52.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


_LONG_FILES = (
    "tests/gateway/cold_and_warm/",
    "tests/auth_service/api/test_hostile_json.py",
    "tests/auth_service/api/test_log_in_with_foreign_hash.py",
    "tests/docs/",
    "tests/auth_service/mail/test_sending.py",
    "tests/auth_service/sessions/",
    "tests/auth_service/throttling/",
    "tests/gateway/upstreams/test_failing_upstreams.py",
    "tests/gateway/tokens/test_memory.py",
    "tests/resource_service/test_json_bodies.py",
)
"""Files whose few tests take ten seconds and more. They begin first, so that no worker is left alone with one."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With workers, begin with the long files, then with those that have the most tests."""
    if hasattr(config, "workerinput"):
        tests = Counter(_file_of(item) for item in items)
        items.sort(key=lambda item: (not item.nodeid.startswith(_LONG_FILES), -tests[_file_of(item)]))


def _file_of(item: pytest.Item) -> str:
    return _SYSTEM_TESTS if item.nodeid.startswith(_SYSTEM_TESTS) else item.nodeid.split("::", 1)[0]


class WholeFileScheduling(LoadScopeScheduling):
    """Give each worker whole files.

    All of tests/system counts as one file: its tests share two stacks, and the last tests stop them. Tests of
    tests/clients are given one by one: most of their time they wait for a token to expire. So are the browser tests
    that visit every page: each takes as long as a whole file of others.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_GIVEN_ONE_BY_ONE):
            return nodeid
        return _SYSTEM_TESTS if nodeid.startswith(_SYSTEM_TESTS) else nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> WholeFileScheduling:
    """Choose the scheduler of pytest-xdist; called only with workers, as in `make test`."""
    config.option.loadscopereorder = False  # pytest_collection_modifyitems has ordered the files
    return WholeFileScheduling(config, log)
