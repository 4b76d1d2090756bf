"""A route with roles admits only clients that have one of them. A route without roles admits all clients."""

import pytest

from contract.problems import Refused
from gateway.pipeline.authorize import authorize
from gateway.routing.routes import Route, Timeouts, Upstream
from tests.gateway.access_tokens import read_claims

NOTES = Upstream("notes", (), "notes", None, 1)


def route(*roles: str) -> Route:
    return Route("/", NOTES, False, frozenset(roles), frozenset({"GET"}), 0, Timeouts())


@pytest.mark.parametrize(
    ("required", "granted"),
    [((), ()), ((), ("user",)), (("staff",), ("staff",)), (("staff", "root"), ("user", "root"))],
)
def test_a_client_is_admitted_by_one_of_the_routes_roles_or_if_the_route_names_none(
    required: tuple[str, ...], granted: tuple[str, ...]
) -> None:
    authorize(read_claims(roles=granted), route(*required))


@pytest.mark.parametrize("granted", [(), ("user",), ("Staff",), ("staf", "f"), ("staff,root",)])
def test_a_client_without_any_of_the_routes_roles_is_refused(granted: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as refused:
        authorize(read_claims(roles=granted), route("staff", "root"))
    assert (refused.value.status, refused.value.code) == (403, "insufficient_scope")
