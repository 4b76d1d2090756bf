"""Another e-mail address: by the current password, or by a link in a mail to the present address."""

import pytest
from werkzeug.test import TestResponse

from auth_service.accounts.mail_tokens import Purpose
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.mail_links import Link
from tests.auth_service.world import Operator, Person

SET, REQUEST, CONFIRM = "/auth/users/set_email/", "/auth/users/reset_email/", "/auth/users/reset_email_confirm/"
NEW = "new@example.org"
INVALID_TOKEN = (400, {"token": ["Invalid token for given user."]})


def set_email(person: Person, email: str = NEW, **more: str) -> TestResponse:
    members = {"new_email": email, "current_password": person.password, **more}
    return person.call("POST", SET, json=members)


def confirm(person: Person, link: Link, email: str = NEW) -> tuple[int, object]:
    """Use a link. Return the status and the body of the response."""
    response = person.post(CONFIRM, uid=link.uid, token=link.token, new_email=email)
    return response.status_code, response.json if response.data else None


def test_a_user_changes_the_address_with_the_password(ann: Person, operator: Operator) -> None:
    elsewhere = Person(ann.client, ann.email)
    elsewhere.log_in()
    assert set_email(ann).status_code == 204
    assert elsewhere.me().status_code == 401, "other sessions end"
    me = ann.me()
    assert me.json
    assert me.json["email"] == NEW
    assert operator.mails() == [("email_changed", ann.email)]
    assert ann.log_in().status_code == 401
    ann.email = NEW
    assert ann.log_in().status_code == 200


def test_the_next_access_token_has_the_new_address(ann: Person) -> None:
    assert set_email(ann).status_code == 204
    assert ann.refresh_tokens().status_code == 200
    assert claims_of(ann.access)["email"] == NEW


def test_an_address_of_another_user_is_refused_after_the_password_was_verified(ann: Person, bob: Person) -> None:
    taken = set_email(ann, "BOB@example.org")
    assert (taken.status_code, taken.json) == (400, {"new_email": ["user with this email already exists."]})
    ann.password = "wrong"
    assert set_email(ann, bob.email).json == {"current_password": ["Invalid password."]}


def test_every_wrong_field_is_named_at_once(ann: Person) -> None:
    ann.password = "wrong"
    assert set_email(ann, "nope").json == {
        "new_email": ["Enter a valid email address."],
        "current_password": ["Invalid password."],
    }


def test_addresses_are_tried_as_often_as_registrations(make_app: MakeApp) -> None:
    """The response shows whether an address has an account."""
    ann = Person(make_app(REGISTRATIONS_PER_ADDRESS="3/hour").test_client())
    ann.register()
    ann.log_in()
    statuses = [set_email(ann, f"new{number}@example.org").status_code for number in range(3)]
    assert statuses == [204, 204, 429]


def test_a_link_to_the_present_address_changes_it(ann: Person, operator: Operator) -> None:
    assert ann.post(REQUEST, email=ann.email).status_code == 204
    assert operator.mails() == [("email_reset", ann.email)]
    link = operator.link(Purpose.EMAIL_RESET, ann.email)
    assert confirm(ann, link) == (204, None)
    assert ann.me().status_code == 401
    assert operator.mails()[1:] == [("email_changed", ann.email)]
    assert confirm(ann, link, "third@example.org") == INVALID_TOKEN
    ann.email = NEW
    assert ann.log_in().status_code == 200


def test_a_link_that_names_a_taken_address_stays_valid(ann: Person, bob: Person, operator: Operator) -> None:
    link = operator.link(Purpose.EMAIL_RESET, ann.email)
    assert confirm(ann, link, bob.email) == (400, {"new_email": ["user with this email already exists."]})
    assert confirm(ann, link)[0] == 204


@pytest.mark.parametrize("purpose", [Purpose.PASSWORD_RESET, Purpose.ACTIVATION])
def test_a_link_of_another_purpose_is_refused(ann: Person, operator: Operator, purpose: Purpose) -> None:
    assert confirm(ann, operator.link(purpose, ann.email)) == INVALID_TOKEN


def test_a_second_address_must_be_equal_if_set(make_app: MakeApp) -> None:
    app = make_app(SET_EMAIL_RETYPE="on", EMAIL_RESET_CONFIRM_RETYPE="on")
    ann, operator = Person(app.test_client()), Operator(app)
    ann.register()
    ann.log_in()
    differs = {"non_field_errors": ["The two email fields didn't match."]}
    assert set_email(ann, re_new_email="another@example.org").json == differs
    link = operator.link(Purpose.EMAIL_RESET, ann.email)
    members = {"uid": link.uid, "token": link.token, "new_email": NEW}
    assert ann.post(CONFIRM, **members).json == {"re_new_email": ["This field is required."]}
    assert ann.post(CONFIRM, **members, re_new_email="another@example.org").json == differs
    assert ann.post(CONFIRM, **members, re_new_email=NEW).status_code == 204


def test_no_mail_reports_the_change_if_set(make_app: MakeApp) -> None:
    app = make_app(EMAIL_CHANGED_EMAIL_CONFIRMATION="off")
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    assert set_email(ann).status_code == 204
    assert Operator(app).mails() == []
