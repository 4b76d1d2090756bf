"""Staff invite users with roles by mail; the link sets the first password."""

import pytest
from flask.testing import FlaskClient

from auth_service.accounts.mail_tokens import Purpose
from tests.auth_service.forge import claims_of
from tests.auth_service.mail_links import Link
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

INVITATIONS, CONFIRM = "/auth/admin/invitations/", "/auth/users/invitation_confirm/"
DAN = "dan@example.org"
INVALID_TOKEN = {"token": ["Invalid token for given user."]}


@pytest.fixture
def dan(staff: Person) -> Person:
    """A user who was invited with the role `beta`."""
    invited = staff.call(
        "POST", INVITATIONS, json={"email": DAN, "roles": ["beta"], "first_name": "Dan", "language": "fr"}
    )
    assert invited.status_code == 201
    assert invited.json
    assert (invited.json["status"], invited.json["roles"]) == ("unverified", ["beta"])
    assert (invited.json["first_name"], invited.json["language"]) == ("Dan", "fr")
    return Person(staff.client, DAN, id=invited.json["id"])


def confirm(client: FlaskClient, link: Link, password: str = PASSWORD) -> tuple[int, object]:
    """Use a link. Return the status and the body of the response."""
    body = {"uid": link.uid, "token": link.token, "new_password": password}
    response = client.post(CONFIRM, json=body)
    return response.status_code, response.json if response.data else None


def test_an_invited_user_chooses_a_password_and_has_the_roles(dan: Person, operator: Operator) -> None:
    assert operator.mails() == [("invitation", DAN)]
    assert dan.log_in().status_code == 401
    link = operator.link(Purpose.INVITATION, DAN)
    assert confirm(dan.client, link) == (204, None)
    assert dan.log_in().status_code == 200
    assert claims_of(dan.access)["roles"] == "beta"
    assert operator.user(DAN).email_verified_at is not None
    assert operator.mails() == [("invitation", DAN)], "no mail reports a changed password"


def test_a_link_works_once_and_within_its_lifetime(dan: Person, operator: Operator, clock: MovableClock) -> None:
    old = operator.link(Purpose.INVITATION, DAN)
    clock.move(3_601)
    assert confirm(dan.client, old) == (400, INVALID_TOKEN)
    link = operator.link(Purpose.INVITATION, DAN)
    assert confirm(dan.client, link, "short")[0] == 400
    assert confirm(dan.client, link) == (204, None)
    assert confirm(dan.client, link, "An0ther-g00d-one") == (400, INVALID_TOKEN)
    assert dan.log_in().status_code == 200


@pytest.mark.parametrize("purpose", [Purpose.ACTIVATION, Purpose.PASSWORD_RESET])
def test_a_link_for_another_purpose_is_refused(dan: Person, operator: Operator, purpose: Purpose) -> None:
    assert confirm(dan.client, operator.link(purpose, DAN)) == (400, INVALID_TOKEN)


def test_another_invitation_can_be_sent_until_the_first_one_is_accepted(
    dan: Person, staff: Person, operator: Operator
) -> None:
    path = f"/auth/admin/users/{dan.id}/invitation/"
    assert staff.call("POST", path).status_code == 204
    assert operator.mails() == [("invitation", DAN)] * 2
    confirm(dan.client, operator.link(Purpose.INVITATION, DAN))
    refused = staff.call("POST", path)
    assert (refused.status_code, refused.json) == (
        409,
        {"detail": "The user is not waiting for an invitation.", "code": "not_invitable"},
    )
    assert operator.mails() == [("invitation", DAN)] * 2


def test_the_link_of_a_user_who_was_deactivated_is_refused(dan: Person, staff: Person, operator: Operator) -> None:
    link = operator.link(Purpose.INVITATION, DAN)
    staff.call("POST", f"/auth/admin/users/{dan.id}/deactivate/")
    assert confirm(dan.client, link) == (400, INVALID_TOKEN)


def test_an_invitation_is_recorded_with_the_staff_user(dan: Person, staff: Person, operator: Operator) -> None:
    staff.call("POST", f"/auth/admin/users/{dan.id}/invitation/")
    confirm(dan.client, operator.link(Purpose.INVITATION, DAN))
    of_dan = [(record.event, record.detail) for record in operator.audit() if str(record.user_id) == dan.id]
    invited = ("invited", {"roles": "beta", "actor": staff.id})
    assert of_dan == [invited, invited, ("activated", {"reason": "invitation accepted"})]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"email": ["This field is required."]}),
        ({"email": "nobody"}, {"email": ["Enter a valid email address."]}),
        ({"email": "ANN@example.org"}, {"email": ["user with this email already exists."]}),
        ({"email": DAN, "roles": 7}, {"roles": ["Enter a list of at most 100 roles."]}),
        ({"email": DAN, "roles": ["x" * 65]}, {"roles": ["A role must have at most 64 characters."]}),
    ],
)
def test_a_wrong_invitation_names_the_field_and_creates_nobody(
    ann: Person, staff: Person, operator: Operator, body: dict[str, object], errors: object
) -> None:
    refused = staff.call("POST", INVITATIONS, json=body)
    assert (refused.status_code, refused.json) == (400, errors)
    assert operator.mails() == []
