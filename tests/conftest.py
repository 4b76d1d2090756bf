"""How every test is run: what Hypothesis may take its time for, and which tests one worker runs."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# How long a machine takes, cold or busy with other things, says nothing about a property.
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
    """Only asked for where there are workers: `make test`."""
    return ByFile(config, log)
