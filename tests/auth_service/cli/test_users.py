"""The operator creates, lists and changes users; every act is recorded with the actor `operator`."""

from datetime import UTC, datetime

import pytest
from redis import Redis

from auth_service.accounts.mail_tokens import Purpose
from contract.revocation import STREAM
from tests.auth_service.cli.conftest import Run, RunJson
from tests.auth_service.world import PASSWORD, Operator, Person

NEW_PASSWORD = "An0ther-g00d-one"
ACTOR = {"actor": "operator"}


def recorded(operator: Operator, email: str) -> list[tuple[str, object]]:
    """Return the events of a user that an operator caused, with their details."""
    user_id = operator.user(email).id
    own = [record for record in operator.audit() if record.user_id == user_id]
    return [(record.event, record.detail) for record in own if "actor" in record.detail]


def test_a_user_is_created_with_a_password_from_standard_input(run: Run, ann: Person, operator: Operator) -> None:
    result = run("users", "create", "root@example.org", "--staff", "--role", "beta", typed=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    assert operator.user("root@example.org").roles == "staff beta"
    root = Person(ann.client, "root@example.org")
    assert root.log_in().status_code == 200
    assert len(root.call("GET", "/auth/users/").json or []) == 2
    assert recorded(operator, "root@example.org") == [("registered", {"roles": "staff beta", **ACTOR})]


def test_json_has_the_keys_of_the_admin_api(run_json: RunJson, ann: Person, operator: Operator) -> None:
    created = run_json(
        "users", "create", "dan@example.org", "--first-name", "Dan", "--language", "fr", typed=PASSWORD
    )
    assert datetime.fromisoformat(created.pop("created_at")) <= datetime.now(UTC)
    assert created == {
        "id": str(operator.user("dan@example.org").id),
        "email": "dan@example.org",
        "first_name": "Dan",
        "last_name": "",
        "roles": [],
        "status": "active",
        "language": "fr",
        "last_login_at": None,
        "email_verified_at": None,
    }
    shown = run_json("users", "show", created["id"])
    assert {**created, "created_at": shown["created_at"], "sessions": 0} == shown
    del shown["sessions"]
    assert run_json("users", "list", "--search", "dan") == [shown]


@pytest.mark.parametrize(
    ("words", "typed", "code", "reason"),
    [
        (["nobody"], PASSWORD, 2, "Invalid value for EMAIL: 'nobody' is not a valid e-mail address"),
        (["x" * 300 + "@b.co"], PASSWORD, 2, "is not a valid e-mail address"),
        (["ann@example.org"], PASSWORD, 1, "EMAIL: a user ann@example.org already"),
        (["ANN@example.org"], PASSWORD, 1, "already"),
        (["new@example.org"], "12345678", 1, "password: This password is too common"),
        (["new@example.org"], "", 1, "too short"),
        (["new@example.org"], "x" * 257, 1, "longer than 256"),
        (["new@example.org", "--role", "two words"], PASSWORD, 2, "Invalid value for --role: 'two words' is not"),
        (["new@example.org", "--first-name", "x" * 151], PASSWORD, 2, "'--first-name': must have at most 150"),
        (["new@example.org", "--last-name", "a\x1bb"], PASSWORD, 2, "'--last-name': must have at most 150"),
    ],
)
def test_create_refuses_what_a_registration_refuses(
    run: Run, ann: Person, words: list[str], typed: str, code: int, reason: str
) -> None:
    result = run("users", "create", *words, typed=typed)
    assert result.exit_code == code
    assert reason in result.stderr
    assert result.stdout == ""


def test_users_are_listed_for_people_and_for_programs(
    run: Run, run_json: RunJson, ann: Person, bob: Person, operator: Operator
) -> None:
    operator.grant(bob.email, "staff", "beta")
    heading, *listed = run("users", "list").stdout.splitlines()
    assert heading.split() == ["email", "status", "roles", "created", "at", "last", "login", "at", "id"]
    anns_line, bobs_line = sorted(listed)  # both registered at the same time
    assert anns_line.startswith("ann@example.org  active")
    assert "staff beta" in bobs_line
    assert [user["email"] for user in run_json("users", "list", "--role", "beta")] == [bob.email]
    operator.deactivate(ann.email)
    assert [user["email"] for user in run_json("users", "list", "--status", "barred")] == [ann.email]
    limited = run("users", "list", "--limit", "1", "--offset", "1")
    assert limited.stdout.splitlines()[1].split()[0] == listed[1].split()[0]
    assert "--search" in run("users", "list", "--search", "x " * 21).stderr
    assert "--status" in run("users", "list", "--status", "asleep").stderr
    assert "1 of 2 users" in run("users", "list", "--limit", "1").stderr


def test_a_user_is_shown(run: Run, ann: Person) -> None:
    lines = [line.split("  ", 1) for line in run("users", "show", ann.email).stdout.splitlines()]
    shown = {name.strip(): value.strip() for name, value in lines}
    assert (shown["email"], shown["status"], shown["sessions"], shown["roles"]) == (ann.email, "active", "1", "-")


def test_a_change_of_roles_ends_the_sessions_with_the_old_roles(run: Run, ann: Person, operator: Operator) -> None:
    assert "roles: staff; 1 sessions ended" in run("users", "grant", ann.email, "staff").output
    assert ann.me().status_code == 401
    run("users", "grant", "ANN@example.org", "beta", "gamma")
    assert "0 sessions ended" in run("users", "grant", ann.email, "staff").output
    assert operator.user(ann.email).roles == "staff beta gamma"
    run("users", "revoke", str(operator.user(ann.email).id), "beta", "gamma")
    assert operator.user(ann.email).roles == "staff"
    refused = run("users", "revoke", ann.email, "beta")
    assert (refused.exit_code, "ROLE: " in refused.stderr) == (1, True)
    assert recorded(operator, ann.email) == [
        ("roles_changed", {"roles": "staff", "former_roles": "", **ACTOR}),
        ("session_revoked", {"reason": "roles changed", **ACTOR}),
        ("roles_changed", {"roles": "staff beta gamma", "former_roles": "staff", **ACTOR}),
        ("roles_changed", {"roles": "staff", "former_roles": "staff beta gamma", **ACTOR}),
    ]


@pytest.mark.parametrize("role", ["", "two words", "tab\there", "\u00e9t\u00e9", "x" * 65, "a,b", "-x"])
def test_a_role_that_is_not_valid_is_refused(run: Run, ann: Person, role: str, operator: Operator) -> None:
    refused = run("users", "grant", "--", ann.email, role)
    assert refused.exit_code == 2
    assert "Invalid value for ROLE" in refused.stderr
    assert operator.user(ann.email).roles == ""


def test_an_operator_can_take_the_role_from_the_last_staff_user(run: Run, ann: Person, operator: Operator) -> None:
    """The operator can grant it again; staff cannot."""
    operator.grant(ann.email, "staff")
    assert run("users", "revoke", ann.email, "staff").exit_code == 0
    operator.grant(ann.email, "staff")
    assert run("users", "deactivate", ann.email).exit_code == 0


def test_a_deactivated_user_is_logged_out_and_can_be_activated(
    run: Run, run_json: RunJson, ann: Person, redis: Redis, operator: Operator
) -> None:
    deactivated = run_json("users", "deactivate", ann.email)
    assert (deactivated["status"], deactivated["sessions_ended"]) == ("barred", 1)
    assert ann.me().json == {"detail": "User is inactive", "code": "user_inactive"}
    assert redis.xlen(STREAM) == 1
    assert "USER: ann@example.org is barred" in run("users", "set-password", ann.email, typed=NEW_PASSWORD).stderr
    assert run("users", "activate", ann.email).exit_code == 0
    assert ann.log_in().status_code == 200
    assert recorded(operator, ann.email) == [
        ("deactivated", ACTOR),
        ("session_revoked", {"reason": "user deactivated", **ACTOR}),
        ("activated", {"reason": "activated by an operator", **ACTOR}),
    ]


def test_a_new_password_ends_the_sessions(run: Run, ann: Person, operator: Operator) -> None:
    assert "too short" in run("users", "set-password", ann.email, typed="short").stderr
    assert ann.me().status_code == 200
    done = run("users", "set-password", ann.email, typed=f"{NEW_PASSWORD}\n")
    assert done.exit_code == 0
    assert NEW_PASSWORD not in done.output
    assert ann.me().status_code == 401
    assert ann.log_in().status_code == 401
    ann.password = NEW_PASSWORD
    assert ann.log_in().status_code == 200
    assert recorded(operator, ann.email) == [
        ("password_changed", ACTOR),
        ("session_revoked", {"reason": "password changed", **ACTOR}),
    ]
    assert operator.mails() == [("password_changed", ann.email)]


def test_a_deletion_is_confirmed(run: Run, run_json: RunJson, ann: Person, operator: Operator) -> None:
    for typed in ("", "n\n"):
        refused = run("users", "delete", ann.email, typed=typed)
        assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Delete ann@example.org" in refused.stderr
    assert operator.user(ann.email)
    assert run("users", "delete", ann.email, typed="y\n").exit_code == 0
    ann.register()
    ann.log_in()
    deleted = run_json("users", "delete", ann.email, "--yes")
    assert deleted == {"id": ann.id, "email": ann.email, "deleted": True, "sessions_ended": 1}
    assert [record.detail for record in operator.audit() if record.event == "deleted"] == [ACTOR] * 2


def test_an_invited_user_chooses_the_password(run: Run, ann: Person, operator: Operator) -> None:
    done = run("users", "invite", "dan@example.org", "--role", "beta", "--language", "fr")
    assert done.exit_code == 0, done.output
    assert operator.mails() == [("invitation", "dan@example.org")]
    assert "--again" in run("users", "invite", "dan@example.org").stderr
    assert run("users", "invite", "dan@example.org", "--again").exit_code == 0
    assert operator.mails() == [("invitation", "dan@example.org")] * 2
    link = operator.link(Purpose.INVITATION, "dan@example.org")
    dan = Person(ann.client, "dan@example.org")
    body = {"uid": link.uid, "token": link.token, "new_password": PASSWORD}
    assert dan.post("/auth/users/invitation_confirm/", **body).status_code == 204
    assert dan.log_in().status_code == 200
    refused = run("users", "invite", "dan@example.org", "--again")
    assert (refused.exit_code, "is active and needs no invitation" in refused.stderr) == (1, True)
    invited = ("invited", {"roles": "beta", **ACTOR})
    assert recorded(operator, "dan@example.org") == [invited, invited]


@pytest.mark.parametrize("user", ["x@y.co", "00000000-0000-4000-8000-000000000000"])
@pytest.mark.parametrize(
    "words",
    [
        ["users", "grant", "{}", "staff"],
        ["users", "revoke", "{}", "staff"],
        ["users", "show", "{}"],
        ["users", "deactivate", "{}"],
        ["users", "activate", "{}"],
        ["users", "delete", "{}", "--yes"],
        ["users", "set-password", "{}"],
        ["users", "invite", "{}", "--again"],
        ["sessions", "list", "{}"],
        ["sessions", "end", "{}", "--all", "--yes"],
        ["audit", "tail", "--user", "{}"],
    ],
)
def test_an_unknown_user_is_reported(run: Run, words: list[str], user: str) -> None:
    result = run(*(word.replace("{}", user) for word in words))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"USER: there is no user {user}" in result.stderr


def test_import_and_export_have_their_place_among_the_users(run: Run, ann: Person) -> None:
    exported = run("users", "export")
    assert ann.email in exported.stdout
    assert exported.stdout == run("export-users").stdout
    assert "name the file" in run("users", "import", "jsonl").output
