"""Settings of the test run: Hypothesis profiles, and how test files are distributed to workers."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# A property does not depend on how long a cold or busy machine takes.
settings.register_profile("sallyport", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sallyport")

_SHARES_STACKS = "tests/system/"


class ByFile(LoadScopeScheduling):
    """Gives a worker whole files, those with most tests first. The system's tests count as one file: they share two
    stacks, which the last of them end."""

    def _split_scope(self, nodeid: str) -> str:
        return _SHARES_STACKS if nodeid.startswith(_SHARES_STACKS) else nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Called only with workers, as in `make test`."""
    return ByFile(config, log)
