"""Settings of the test run: Hypothesis profiles, and how test files are spread over workers."""

import gc

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# A property does not depend on how fast the machine is.
settings.register_profile("sallyport", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sallyport")

_SYSTEM_TESTS = "tests/system/"
_CLIENT_TESTS = "tests/clients/"


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection, which otherwise visits all of them again and again.

    In 900 tests of the auth service, full collections took 3.8 of 41 CPU seconds instead of 11.2 of 52.
    """
    gc.collect()
    gc.freeze()


class WholeFileScheduling(LoadScopeScheduling):
    """Give each worker whole files, those with the most tests first.

    All of tests/system counts as one file: its tests share two stacks, and the last tests stop them. Tests of
    tests/clients are given one by one: most of their time they wait for a token to expire.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_CLIENT_TESTS):
            return nodeid
        return _SYSTEM_TESTS if nodeid.startswith(_SYSTEM_TESTS) else nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> WholeFileScheduling:
    """Choose the scheduler of pytest-xdist; called only with workers, as in `make test`."""
    return WholeFileScheduling(config, log)
