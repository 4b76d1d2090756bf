"""Access tokens: the order of their claims, and jitter, which spreads the refreshes of clients."""

import pytest
from flask.testing import FlaskClient

from contract.claims import ACCESS_CLAIMS
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import Gateway
from tests.auth_service.world import Person
from tests.clocks import MovableClock


def lifetime(token: str) -> int:
    claims = claims_of(token)
    return int(claims["exp"] - claims["iat"])


def log_in_often(client: FlaskClient, number: int) -> list[Person]:
    """Register a user and log in `number` times."""
    people = [Person(client) for _ in range(number)]
    people[0].register()
    for person in people:
        person.log_in()
    return people


def test_the_lifetimes_of_tokens_are_spread_over_the_jitter(make_app: MakeApp) -> None:
    people = log_in_often(make_app(ACCESS_LIFETIME_JITTER="0.2", ACCESS_TOKEN_LIFETIME="1000").test_client(), 40)
    lifetimes = [lifetime(person.access) for person in people]
    assert all(800 <= seconds <= 1000 for seconds in lifetimes)
    assert max(lifetimes) - min(lifetimes) > 100


def test_a_reissued_access_token_has_the_same_lifetime(make_app: MakeApp) -> None:
    (person,) = log_in_often(make_app(ACCESS_LIFETIME_JITTER="0.2").test_client(), 1)
    answers = [person.refresh_with(person.refresh).json for _ in range(5)]
    assert len({lifetime(answer["access"]) for answer in answers if answer}) == 1


def test_each_rotation_has_a_new_lifetime(make_app: MakeApp) -> None:
    (person,) = log_in_often(make_app(ACCESS_LIFETIME_JITTER="0.2").test_client(), 1)
    lifetimes = {lifetime(person.access)}
    for _ in range(7):
        person.refresh_tokens()
        lifetimes.add(lifetime(person.access))
    assert len(lifetimes) > 3


def test_without_jitter_a_token_has_the_full_lifetime(make_app: MakeApp) -> None:
    people = log_in_often(make_app(ACCESS_LIFETIME_JITTER="0").test_client(), 3)
    assert {lifetime(person.access) for person in people} == {300}


@pytest.mark.parametrize(("seconds", "least"), [("1", 1), ("2", 2), ("10", 8), ("11", 9)])
def test_no_lifetime_is_shortened_by_more_than_the_jitter(
    make_app: MakeApp, clock: MovableClock, seconds: str, least: int
) -> None:
    """The jitter is a fifth here. The lifetime is rounded up to a whole second."""
    app = make_app(ACCESS_LIFETIME_JITTER="0.2", ACCESS_TOKEN_LIFETIME=seconds)
    people = log_in_often(app.test_client(), 12)
    assert all(least <= lifetime(person.access) <= int(seconds) for person in people)
    opened = Gateway(app.test_client(), clock).open("h1").json
    assert opened
    assert least <= lifetime(opened["access"]) <= int(seconds)


@pytest.mark.parametrize("jitter", ["-0.1", "0.21", "nan", "x"])
def test_a_jitter_out_of_range_is_refused(make_app: MakeApp, jitter: str) -> None:
    with pytest.raises(Exception, match="ACCESS_LIFETIME_JITTER"):
        make_app(ACCESS_LIFETIME_JITTER=jitter)


def test_the_claims_are_in_the_order_of_the_contract(make_app: MakeApp) -> None:
    """The edge reads tokens in this form only."""
    (person,) = log_in_often(make_app().test_client(), 1)
    assert tuple(claims_of(person.access)) == ACCESS_CLAIMS
