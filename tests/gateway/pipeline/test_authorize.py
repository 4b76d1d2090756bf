"""Who may pass a route."""

import pytest

from contract.problems import Refused
from gateway.pipeline.authorize import authorize
from gateway.routing.routes import Route, Timeouts, Upstream
from tests.gateway.access_tokens import read_claims

NOTES = Upstream("notes", (), "notes", None, 1)


def route(*roles: str) -> Route:
    return Route("/", NOTES, False, frozenset(roles), frozenset({"GET"}), 0, Timeouts())


@pytest.mark.parametrize(
    ("asked", "granted"),
    [((), ()), ((), ("user",)), (("staff",), ("staff",)), (("staff", "root"), ("user", "root"))],
)
def test_one_of_the_routes_roles_is_enough(asked: tuple[str, ...], granted: tuple[str, ...]) -> None:
    authorize(read_claims(roles=granted), route(*asked))


@pytest.mark.parametrize("granted", [(), ("user",), ("Staff",), ("staf", "f"), ("staff,root",)])
def test_without_any_of_them_it_is_403(granted: tuple[str, ...]) -> None:
    """R20."""
    with pytest.raises(Refused) as refused:
        authorize(read_claims(roles=granted), route("staff", "root"))
    assert (refused.value.status, refused.value.code) == (403, "insufficient_scope")
