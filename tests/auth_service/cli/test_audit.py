"""The operator reads the audit trail, and follows it."""

import json
import signal
import subprocess
import sys
from functools import partial

import pytest

from tests.auth_service.cli.conftest import Run
from tests.auth_service.running_service import ROOT
from tests.auth_service.world import Operator, Person


def test_the_newest_records_are_printed_the_oldest_of_them_first(
    run: Run, ann: Person, bob: Person, operator: Operator
) -> None:
    run("users", "grant", ann.email, "beta")
    lines = run("audit", "tail", "--lines", "2").stdout.splitlines()
    assert len(lines) == 2
    assert "roles_changed  ann@example.org  -  roles=beta former_roles= actor=operator" in lines[0]
    records = [json.loads(line) for line in run("audit", "tail", "--json").stdout.splitlines()]
    assert [(record["event"], record["email"]) for record in records] == [
        ("registered", ann.email),
        ("login_ok", ann.email),
        ("registered", bob.email),
        ("login_ok", bob.email),
        ("roles_changed", ann.email),
        ("session_revoked", ann.email),
    ]
    assert records[4] == {
        "id": records[4]["id"],
        "at": records[4]["at"],
        "event": "roles_changed",
        "user_id": ann.id,
        "email": ann.email,
        "session": None,
        "address": "",
        "device": "",
        "detail": {"roles": "beta", "former_roles": "", "actor": "operator"},
    }
    own = run("audit", "tail", "--user", bob.email, "--json").stdout.splitlines()
    assert [json.loads(line)["event"] for line in own] == ["registered", "login_ok"]


@pytest.mark.system
def test_follow_prints_new_records_until_it_is_interrupted(environ: dict[str, str], ann: Person) -> None:
    words = [sys.executable, "-m", "auth_service", "audit", "tail", "--follow", "--json", "--lines", "1"]
    # A shell starts its background jobs with SIGINT ignored, and these tests may be one.
    react_to_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=react_to_ctrl_c
    ) as follower:
        try:
            assert follower.stdout
            assert json.loads(follower.stdout.readline())["event"] == "login_ok"
            Person(ann.client, ann.email, "wrong").log_in()
            ann.log_in()
            assert json.loads(follower.stdout.readline())["event"] == "login_failed"
            assert json.loads(follower.stdout.readline())["event"] == "login_ok"
            follower.send_signal(signal.SIGINT)
            assert follower.stdout.read() == ""
            assert follower.wait(20) == 0
        finally:
            follower.kill()
