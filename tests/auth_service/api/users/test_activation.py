"""Activation: a new user verifies the address by a mail, and can then log in."""

import pytest
from flask.testing import FlaskClient

from auth_service.accounts.mail_tokens import Purpose
from tests.auth_service.conftest import MakeApp
from tests.auth_service.mail_links import Link
from tests.auth_service.world import PASSWORD, Operator, Person
from tests.clocks import MovableClock

ACTIVATION, RESEND = "/auth/users/activation/", "/auth/users/resend_activation/"
INVALID_TOKEN = (400, {"token": ["Invalid token for given user."]})
TAKEN = {"email": ["user with this email already exists."]}


def activate(person: Person, link: Link) -> tuple[int, object]:
    """Use a link. Return the status and the body of the response."""
    response = person.post(ACTIVATION, uid=link.uid, token=link.token)
    return response.status_code, response.json if response.data else None


def test_a_new_user_can_log_in_after_the_link_was_used(new_ann: Person, verifying_operator: Operator) -> None:
    assert verifying_operator.mails() == [("activation", new_ann.email)]
    assert new_ann.log_in().status_code == 401
    link = verifying_operator.link(Purpose.ACTIVATION, new_ann.email)
    assert activate(new_ann, link) == (204, None)
    assert new_ann.log_in().status_code == 200
    assert verifying_operator.user(new_ann.email).email_verified_at is not None


def test_a_log_in_before_the_activation_is_answered_as_one_with_a_wrong_password(new_ann: Person) -> None:
    unverified = new_ann.log_in()
    new_ann.password = "wrong"
    wrong = new_ann.log_in()
    assert (unverified.status_code, unverified.json) == (wrong.status_code, wrong.json)
    assert unverified.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"]


def test_a_link_that_is_used_twice_is_stale_and_changes_nothing(
    new_ann: Person, verifying_operator: Operator
) -> None:
    """As when a user clicks twice. A stranger without the token does not learn that the user is active."""
    link = verifying_operator.link(Purpose.ACTIVATION, new_ann.email)
    assert activate(new_ann, link)[0] == 204
    activated = verifying_operator.user(new_ann.email)
    assert activate(new_ann, link) == (403, {"detail": "Stale token for given user."})
    assert activate(new_ann, Link(link.uid, "bad")) == INVALID_TOKEN
    assert verifying_operator.user(new_ann.email) == activated


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_scanner_that_opens_the_link_does_not_use_it(
    new_ann: Person, verifying_operator: Operator, method: str
) -> None:
    link = verifying_operator.link(Purpose.ACTIVATION, new_ann.email)
    query = {"uid": link.uid, "token": link.token}
    new_ann.client.open(ACTIVATION, method=method, query_string=query)
    assert activate(new_ann, link)[0] == 204


def test_a_link_is_valid_for_an_hour(new_ann: Person, verifying_operator: Operator, clock: MovableClock) -> None:
    link = verifying_operator.link(Purpose.ACTIVATION, new_ann.email)
    clock.move(3_601)
    assert activate(new_ann, link) == INVALID_TOKEN
    assert new_ann.log_in().status_code == 401


def test_a_link_does_not_lift_a_deactivation(new_ann: Person, verifying_operator: Operator) -> None:
    link = verifying_operator.link(Purpose.ACTIVATION, new_ann.email)
    verifying_operator.deactivate(new_ann.email)
    assert activate(new_ann, link) == INVALID_TOKEN
    later = verifying_operator.link(Purpose.ACTIVATION, new_ann.email)
    assert activate(new_ann, later) == INVALID_TOKEN
    assert new_ann.log_in().status_code == 401


@pytest.mark.parametrize("purpose", [Purpose.PASSWORD_RESET, Purpose.EMAIL_RESET, Purpose.INVITATION])
def test_a_link_of_another_purpose_does_not_activate(
    new_ann: Person, verifying_operator: Operator, purpose: Purpose
) -> None:
    assert activate(new_ann, verifying_operator.link(purpose, new_ann.email)) == INVALID_TOKEN


def test_another_mail_is_queued_for_every_address(new_ann: Person, verifying_operator: Operator) -> None:
    """The job that sends mails finds out whether the address has an unverified account."""
    for email in (new_ann.email, "nobody@example.org"):
        response = new_ann.post(RESEND, email=email)
        assert (response.status_code, response.data) == (204, b"")
    assert verifying_operator.mails()[1:] == [("activation", new_ann.email), ("activation", "nobody@example.org")]


def test_no_mail_is_queued_while_activation_mails_are_off(ann: Person, operator: Operator) -> None:
    response = ann.post(RESEND, email=ann.email)
    assert (response.status_code, response.data) == (400, b"")
    assert operator.mails() == []


@pytest.mark.parametrize("path", [RESEND, "/auth/users/reset_password/", "/auth/users/reset_email/"])
def test_requests_for_mails_are_limited_per_account(verifying_app_client: FlaskClient, path: str) -> None:
    """Known accounts and unknown ones alike."""
    for email in ("ann@example.org", "nobody@example.org"):
        person = Person(verifying_app_client, email)
        statuses = [person.post(path, email=spelled).status_code for spelled in (email, email.upper(), email)]
        assert statuses == [204, 204, 429]
        limited = person.post(path, email=email)
        assert limited.json
        assert limited.json["code"] == "throttled"
        assert int(limited.headers["Retry-After"]) >= 1


@pytest.fixture
def verifying_app_client(make_app: MakeApp) -> FlaskClient:
    """A client of a service that admits two requests for mails per account, where ann has registered."""
    client = make_app(SEND_ACTIVATION_EMAIL="on", MAIL_REQUESTS="2/hour").test_client()
    assert Person(client).register().status_code == 201
    return client


def test_a_mail_has_the_language_of_the_request(new_ann: Person, verifying_operator: Operator) -> None:
    headers = {"Accept-Language": "fr-CH, fr;q=0.9"}
    members = {"email": "luc@example.org", "password": PASSWORD}
    assert new_ann.client.post("/auth/users/", json=members, headers=headers).status_code == 201
    new_ann.client.post(RESEND, json=members, headers=headers)
    assert verifying_operator.mail_languages() == ["", "fr-CH, fr;q=0.9", "fr-CH, fr;q=0.9"]


def test_a_mail_confirms_an_activation_if_set(make_app: MakeApp) -> None:
    app = make_app(SEND_ACTIVATION_EMAIL="on", SEND_CONFIRMATION_EMAIL="on")
    person, operator = Person(app.test_client()), Operator(app)
    person.register()
    activate(person, operator.link(Purpose.ACTIVATION, person.email))
    assert [kind for kind, _ in operator.mails()] == ["activation", "confirmation"]


def test_a_mail_confirms_a_registration_that_needs_no_activation_if_set(make_app: MakeApp) -> None:
    app = make_app(SEND_CONFIRMATION_EMAIL="on")
    Person(app.test_client()).register()
    assert [kind for kind, _ in Operator(app).mails()] == ["confirmation"]


def test_a_taken_address_is_answered_as_by_djoser(new_ann: Person, verifying_operator: Operator) -> None:
    response = Person(new_ann.client, "ANN@example.org").register()
    assert (response.status_code, response.json) == (400, TAKEN)
    assert verifying_operator.mails()[1:] == [("password_reset", "ANN@example.org")]


def test_a_stranger_who_registered_the_address_first_does_not_keep_the_account(make_app: MakeApp) -> None:
    """The owner registers too and uses the mail that this causes. So the stranger's password is never accepted."""
    app = make_app(SEND_ACTIVATION_EMAIL="on", CONCEAL_REGISTERED_EMAILS="on")
    client, operator = app.test_client(), Operator(app)
    stranger, owner = Person(client, password="Str4nger-has-one"), Person(client)
    stranger.register()
    before = operator.mails()
    owner.register()
    (kind, email), *more = operator.mails()[len(before) :]
    assert not more
    link = operator.link(Purpose(kind), email)
    members = {"uid": link.uid, "token": link.token, "new_password": "0wner-has-another"}
    assert owner.post("/auth/users/reset_password_confirm/", **members).status_code == 204
    owner.password = "0wner-has-another"
    assert (owner.log_in().status_code, stranger.log_in().status_code) == (200, 401)


def test_a_concealing_service_answers_a_taken_address_as_a_free_one(make_app: MakeApp) -> None:
    app = make_app(SEND_ACTIVATION_EMAIL="on", CONCEAL_REGISTERED_EMAILS="on")
    operator, client = Operator(app), app.test_client()
    ann, ann_again = Person(client, password="An0ther-g00d-one"), Person(client)
    free, taken = ann.register(first_name="Ann"), ann_again.register(first_name="Eve")
    assert (free.status_code, taken.status_code) == (201, 201)
    assert free.json
    assert taken.json == {"first_name": "Eve", "last_name": "", "email": ann.email, "id": ann_again.id}
    assert ann_again.id != ann.id
    assert [*free.headers.keys()] == [*taken.headers.keys()]
    assert operator.user(ann.email).first_name == "Ann", "the account is unchanged"
    assert activate(ann, operator.link(Purpose.ACTIVATION, ann.email))[0] == 204
    assert ann_again.log_in().status_code == 401
    assert ann.log_in().status_code == 200
