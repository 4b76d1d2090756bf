"""The operator searches the audit trail, lists the newest sessions of all users, and reads the figures."""

import json

from tests.auth_service.cli.conftest import Run
from tests.auth_service.world import Person


def test_the_audit_trail_is_searched(run: Run, ann: Person, bob: Person) -> None:
    run("users", "grant", ann.email, "beta")

    def events(*options: str) -> list[str]:
        return [json.loads(line)["event"] for line in run("audit", "search", "--json", *options).stdout.splitlines()]

    assert events("--actor", "operator") == ["session_revoked", "roles_changed"]
    assert events("--user", bob.email) == ["login_ok", "registered"]
    assert events("--event", "registered", "--limit", "1") == ["registered"]
    assert events("--until", "2001-01-01") == []
    assert "roles=beta" in run("audit", "search", "--event", "roles_changed").stdout
    wrong = run("audit", "search", "--since", "yesterday")
    assert (wrong.exit_code, "must be a date or a time" in wrong.output) == (2, True)


def test_the_newest_sessions_of_all_users_are_listed(run: Run, ann: Person, bob: Person) -> None:
    rows = json.loads(run("sessions", "recent", "--json").stdout)
    assert {row["email"] for row in rows} == {ann.email, bob.email}
    assert len(json.loads(run("sessions", "recent", "--json", "--limit", "1").stdout)) == 1


def test_the_figures_are_printed(run: Run, ann: Person) -> None:
    assert "users active" in run("figures").stdout
    figures = json.loads(run("figures", "--json").stdout)
    assert (figures["users"]["active"], figures["live_sessions"], len(figures["hours"])) == (1, 1, 24)
