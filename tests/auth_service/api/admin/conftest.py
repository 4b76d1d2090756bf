"""A staff user, and calls of the admin API."""

import pytest

from tests.auth_service.world import Operator, Person


@pytest.fixture
def staff(bob: Person, operator: Operator) -> Person:
    """A user with the role staff, who is logged in. The only one."""
    operator.grant(bob.email, "staff")
    bob.log_in()
    return bob
