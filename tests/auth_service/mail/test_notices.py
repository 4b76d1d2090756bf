"""Changes of an account cause mails, in the transaction of the change."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event

from auth_service.accounts.mail_tokens import Purpose
from auth_service.events.account_events import (
    ActivationReason,
    EmailChanged,
    Event,
    PasswordChanged,
    PasswordReset,
    RegistrationRefused,
    RolesChanged,
    UserActivated,
    UserDeactivated,
    UserRegistered,
)
from auth_service.events.client import Client
from auth_service.mail.notices import Notices
from auth_service.mail.outbox import MailKind, NewMail
from auth_service.storage.models import db
from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import PASSWORD, Operator, Person

NOW, ANN, CLIENT = 1_800_000_000.0, UUID(int=7), Client("a phone", "192.0.2.7", "fr")
OLD, NEW = "ann@example.org", "new@example.org"
ALL, NONE = Notices(confirmation=True, password_changed=True, email_changed=True), Notices()

CHANGES: dict[str, tuple[Event, NewMail | None]] = {
    "registration": (
        UserRegistered(NOW, ANN, CLIENT, OLD, must_verify=False),
        NewMail(MailKind.CONFIRMATION, OLD, "fr"),
    ),
    "verified address": (
        UserActivated(NOW, ANN, CLIENT, ActivationReason.EMAIL_VERIFIED, OLD),
        NewMail(MailKind.CONFIRMATION, OLD, "fr"),
    ),
    "password": (PasswordChanged(NOW, ANN, CLIENT, None, OLD), NewMail(MailKind.PASSWORD_CHANGED, OLD, "fr")),
    "password reset": (PasswordReset(NOW, ANN, CLIENT, OLD), NewMail(MailKind.PASSWORD_CHANGED, OLD, "fr")),
    "address": (
        EmailChanged(NOW, ANN, CLIENT, None, OLD, NEW),
        NewMail(MailKind.EMAIL_CHANGED, OLD, "fr", {"new_email": NEW}),
    ),
    "accepted invitation": (
        UserActivated(NOW, ANN, CLIENT, ActivationReason.INVITATION_ACCEPTED, OLD),
        NewMail(MailKind.CONFIRMATION, OLD, "fr"),
    ),
    "roles": (RolesChanged(NOW, ANN, CLIENT, "staff", ""), None),
    "operator": (UserActivated(NOW, ANN, CLIENT, ActivationReason.BY_OPERATOR, OLD), None),
    "deactivation": (UserDeactivated(NOW, ANN, CLIENT), None),
    "taken address": (RegistrationRefused(NOW, None, CLIENT, OLD, must_verify=False), None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_causes_its_mail_only_if_set(change: str) -> None:
    caused, mail = CHANGES[change]
    assert ALL.mail_for(caused) == mail
    assert NONE.mail_for(caused) is None


@pytest.mark.parametrize("notices", [ALL, NONE])
def test_a_registration_that_needs_verification_always_causes_a_mail(notices: Notices) -> None:
    """Whether the address is taken or not, so that both take the same time."""
    activation, reset = NewMail(MailKind.ACTIVATION, OLD, "fr"), NewMail(MailKind.PASSWORD_RESET, OLD, "fr")
    assert notices.mail_for(UserRegistered(NOW, ANN, CLIENT, OLD, must_verify=True)) == activation
    assert notices.mail_for(RegistrationRefused(NOW, None, CLIENT, OLD, must_verify=True)) == reset


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(SEND_ACTIVATION_EMAIL="on", SEND_CONFIRMATION_EMAIL="on")


def test_a_change_whose_mail_cannot_be_stored_is_not_made(app: Flask) -> None:
    """It is answered 503, and can be sent again."""
    ann, operator = Person(app.test_client()), Operator(app)
    assert ann.register().status_code == 201
    link = operator.link(Purpose.ACTIVATION, ann.email)
    before = operator.user(ann.email)
    with app.app_context():
        engine = db.engine

    def refuse(_: object, __: object, statement: str, parameters: Any, *___: object) -> tuple[str, Any]:
        return statement.replace("INSERT INTO mail_outbox", "INSERT INTO missing"), parameters

    event.listen(engine, "before_cursor_execute", refuse, retval=True)
    try:
        requests = {
            "": {"email": NEW, "password": PASSWORD},
            "activation/": {"uid": link.uid, "token": link.token},
            "reset_password/": {"email": ann.email},
        }
        answers = [ann.post(f"/auth/users/{path}", **members) for path, members in requests.items()]
    finally:
        event.remove(engine, "before_cursor_execute", refuse)
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert operator.user(ann.email) == before
    assert operator.mails() == [("activation", ann.email)]
    assert Person(ann.client, NEW).register().status_code == 201
    assert ann.post("/auth/users/activation/", uid=link.uid, token=link.token).status_code == 204
