"""A new password: by the current one, or by a link in a mail."""

import threading

import pytest
from flask import Flask

from auth_service.accounts.mail_tokens import Purpose
from tests.auth_service.conftest import MakeApp
from tests.auth_service.mail_links import Link
from tests.auth_service.world import Operator, Person
from tests.clocks import MovableClock

REQUEST, CONFIRM = "/auth/users/reset_password/", "/auth/users/reset_password_confirm/"
NEW = "N3wPassw0rd!!"
INVALID_TOKEN = (400, {"token": ["Invalid token for given user."]})


def confirm(person: Person, link: Link, new_password: str = NEW, **more: str) -> tuple[int, object]:
    """Use a link. Return the status and the body of the response."""
    response = person.post(CONFIRM, uid=link.uid, token=link.token, new_password=new_password, **more)
    return response.status_code, response.json if response.data else None


def test_a_mail_is_queued_for_every_address_and_no_session_ends(ann: Person, operator: Operator) -> None:
    for email in (ann.email, "nobody@example.org"):
        response = ann.client.post(REQUEST, data={"email": email})  # a form
        assert (response.status_code, response.data) == (204, b"")
    assert operator.mails() == [("password_reset", ann.email), ("password_reset", "nobody@example.org")]
    assert ann.me().status_code == 200


def test_a_link_changes_the_password_and_ends_every_session(ann: Person, operator: Operator) -> None:
    link = operator.link(Purpose.PASSWORD_RESET, ann.email)
    assert confirm(ann, link) == (204, None)
    assert ann.me().status_code == 401
    assert ann.refresh_tokens().status_code == 401
    assert ann.log_in().status_code == 401
    ann.password = NEW
    assert ann.log_in().status_code == 200
    assert operator.mails() == [("password_changed", ann.email)]


def test_a_link_can_be_used_once(ann: Person, operator: Operator) -> None:
    links = [operator.link(Purpose.PASSWORD_RESET, ann.email) for _ in range(2)]
    assert confirm(ann, links[0])[0] == 204
    assert [confirm(ann, link, "An0ther-g00d-one") for link in links] == [INVALID_TOKEN] * 2
    ann.password = NEW
    assert ann.log_in().status_code == 200


def test_of_parallel_uses_of_a_link_exactly_one_succeeds(ann: Person, operator: Operator, app: Flask) -> None:
    link = operator.link(Purpose.PASSWORD_RESET, ann.email)
    statuses: list[int] = []
    barrier = threading.Barrier(6)

    def use(number: int) -> None:
        person = Person(app.test_client(), ann.email)
        barrier.wait()
        statuses.append(confirm(person, link, f"{NEW}{number}")[0])

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [204, *[400] * 5]


@pytest.mark.parametrize("change", ["password", "address", "deactivation", "an hour"])
def test_a_link_dies_with_a_change_of_the_account(
    ann: Person, operator: Operator, clock: MovableClock, change: str
) -> None:
    link = operator.link(Purpose.PASSWORD_RESET, ann.email)
    match change:
        case "password":
            assert ann.set_password("An0ther-g00d-one").status_code == 204
        case "address":
            members = {"new_email": "new@example.org", "current_password": ann.password}
            assert ann.call("POST", "/auth/users/set_email/", json=members).status_code == 204
        case "deactivation":
            operator.deactivate(ann.email)
        case _:
            clock.move(3_601)
    assert confirm(ann, link) == INVALID_TOKEN


def test_a_refused_password_leaves_the_link_valid(ann: Person, operator: Operator) -> None:
    link = operator.link(Purpose.PASSWORD_RESET, ann.email)
    for refused in ("12345678", "ann@example.org", "x" * 257):
        status, body = confirm(ann, link, refused)
        assert (status, list(dict(body))) == (400, ["new_password"])  # type: ignore[call-overload]  # an object
    assert confirm(ann, link)[0] == 204


def test_a_link_activates_an_unverified_user(new_ann: Person, verifying_operator: Operator) -> None:
    """The link proves that the user owns the mailbox. The password of the registration is replaced."""
    assert confirm(new_ann, verifying_operator.link(Purpose.PASSWORD_RESET, new_ann.email))[0] == 204
    assert new_ann.log_in().status_code == 401, "the password of the registration is replaced"
    new_ann.password = NEW
    assert new_ann.log_in().status_code == 200


def test_changes_of_the_password_are_limited_because_each_causes_a_mail(make_app: MakeApp) -> None:
    """Otherwise the address of an account, which may be a stranger's, could get any number of mails."""
    app = make_app(MAIL_REQUESTS="2/hour")
    ann, operator = Person(app.test_client()), Operator(app)
    ann.register()
    ann.log_in()
    assert ann.set_password("12345678").status_code == 400, "refused changes do not count"
    statuses = []
    for number in range(3):
        statuses.append(ann.set_password(f"{NEW}{number}").status_code)
        ann.password = f"{NEW}{number}"
    assert statuses == [204, 204, 429]
    assert operator.mails() == [("password_changed", ann.email)] * 2
    assert ann.client.post(REQUEST, json={"email": ann.email}).status_code == 204


def test_a_deactivated_user_cannot_use_a_link(ann: Person, operator: Operator) -> None:
    operator.deactivate(ann.email)
    assert confirm(ann, operator.link(Purpose.PASSWORD_RESET, ann.email)) == INVALID_TOKEN


def test_the_owner_can_log_in_after_a_reset_while_others_guess(make_app: MakeApp) -> None:
    """The address where the link was used is trusted, also if the owner has never logged in from there."""
    app = make_app(LOGIN_FAILURES="3/hour", LOGIN_FAILURES_PER_ACCOUNT="5/hour")
    ann, operator = Person(app.test_client()), Operator(app)
    ann.register()
    for number in range(5):
        guess = {"email": ann.email, "password": "wrong"}
        ann.client.post("/auth/jwt/create/", json=guess, environ_base={"REMOTE_ADDR": f"198.51.100.{number}"})
    assert ann.log_in().status_code == 429
    assert confirm(ann, operator.link(Purpose.PASSWORD_RESET, ann.email))[0] == 204
    ann.password = NEW
    assert ann.log_in().status_code == 200


@pytest.mark.parametrize("uid", ["zz", "", "MA", "x" * 5_000])
def test_an_unknown_uid_is_refused(ann: Person, operator: Operator, uid: str) -> None:
    status, body = confirm(ann, Link(uid, operator.link(Purpose.PASSWORD_RESET, ann.email).token))
    assert (status, list(dict(body))) == (400, ["uid"])  # type: ignore[call-overload]  # an object


def test_no_log_line_contains_a_token_or_an_address(
    ann: Person, operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    link = operator.link(Purpose.PASSWORD_RESET, ann.email)
    ann.post(REQUEST, email=ann.email)
    confirm(ann, Link(link.uid, link.token[:-1]))
    confirm(ann, link)
    confirm(ann, link)
    output = "".join(capsys.readouterr())
    assert "password_reset" in output
    assert link.token[:-1] not in output
    assert ann.email not in output


def test_a_request_reveals_an_unknown_address_if_set(make_app: MakeApp) -> None:
    app = make_app(PASSWORD_RESET_SHOW_EMAIL_NOT_FOUND="on")
    ann, operator = Person(app.test_client()), Operator(app)
    ann.register()
    for path in (REQUEST, "/auth/users/reset_email/"):
        unknown = ann.post(path, email="nobody@example.org")
        assert (unknown.status_code, unknown.json) == (400, ["User with given email does not exist."])
        assert ann.post(path, email=ann.email).status_code == 204
    operator.deactivate(ann.email)
    assert ann.post(REQUEST, email=ann.email).status_code == 400
    assert [kind for kind, _ in operator.mails()] == ["password_reset", "email_reset"]


def test_a_change_of_the_password_ends_its_own_session_too_if_set(make_app: MakeApp) -> None:
    app = make_app(LOGOUT_ON_PASSWORD_CHANGE="on", PASSWORD_CHANGED_EMAIL_CONFIRMATION="off")
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    assert ann.set_password(NEW).status_code == 204
    assert ann.me().status_code == 401
    assert ann.refresh_tokens().status_code == 401
    assert Operator(app).mails() == []


def test_a_change_of_the_password_is_reported_by_mail(ann: Person, operator: Operator) -> None:
    assert ann.set_password(NEW).status_code == 204
    assert operator.mails() == [("password_changed", ann.email)]


def test_a_second_password_must_be_equal_if_set(make_app: MakeApp) -> None:
    names = ("USER_CREATE_PASSWORD_RETYPE", "SET_PASSWORD_RETYPE", "PASSWORD_RESET_CONFIRM_RETYPE")
    app = make_app(**dict.fromkeys(names, "on"))
    ann, operator = Person(app.test_client()), Operator(app)
    differs = {"non_field_errors": ["The two password fields didn't match."]}
    assert ann.register(re_password="another").json == differs
    assert ann.register(re_password=ann.password).status_code == 201
    ann.log_in()
    members = {"new_password": NEW, "current_password": ann.password}
    for path in ("/auth/users/set_password/",):
        assert ann.call("POST", path, json=members).json == {"re_new_password": ["This field is required."]}
        assert ann.call("POST", path, json=members | {"re_new_password": "another"}).json == differs
        assert ann.call("POST", path, json=members | {"re_new_password": NEW}).status_code == 204
    link = operator.link(Purpose.PASSWORD_RESET, ann.email)
    assert confirm(ann, link, re_new_password="another") == (400, differs)
    assert confirm(ann, link, re_new_password=NEW)[0] == 204
