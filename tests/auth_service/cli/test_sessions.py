"""The operator lists and ends the sessions of a user."""

from tests.auth_service.cli.conftest import Run, RunJson
from tests.auth_service.forge import claims_of
from tests.auth_service.world import Operator, Person


def test_sessions_are_listed_and_ended(run: Run, run_json: RunJson, ann: Person, operator: Operator) -> None:
    tablet = Person(ann.client, ann.email, agent="ann's\x1btablet")
    tablet.log_in()
    listed = run_json("sessions", "list", ann.email)
    assert {session["device"] for session in listed} == {"ann's phone", "ann's\x1btablet"}
    assert set(listed[0]) == {"id", "device", "address", "created_at", "last_used_at", "expires_at"}
    table = run("sessions", "list", ann.email).stdout
    assert "ann's\ufffdtablet" in table, "no control character reaches the terminal"
    sid = str(claims_of(tablet.access)["sid"])
    assert run("sessions", "end", ann.email, sid).stdout == "ended 1 sessions of ann@example.org\n"
    assert tablet.me().status_code == 401
    assert ann.me().status_code == 200
    again = run("sessions", "end", ann.email, sid)
    assert (again.exit_code, f"SESSION: ann@example.org has no live session {sid}" in again.stderr) == (1, True)
    refused = run("sessions", "end", ann.email, "--all", typed="n\n")
    assert (refused.exit_code, ann.me().status_code) == (1, 200)
    assert run_json("sessions", "end", ann.email, "--all", "--yes")["sessions_ended"] == 1
    assert ann.me().status_code == 401
    ended = [record.detail for record in operator.audit() if record.event == "session_revoked"]
    assert ended == [{"reason": "ended by an operator", "actor": "operator"}] * 2


def test_a_session_of_another_user_is_not_ended(run: Run, ann: Person, bob: Person) -> None:
    assert run("sessions", "end", ann.email, str(claims_of(bob.access)["sid"])).exit_code == 1
    assert bob.me().status_code == 200


def test_a_session_or_all_must_be_named(run: Run, ann: Person) -> None:
    for words in ([], ["0" * 32, "--all"]):
        refused = run("sessions", "end", ann.email, *words)
        assert (refused.exit_code, "name a SESSION, or --all" in refused.stderr) == (2, True)
