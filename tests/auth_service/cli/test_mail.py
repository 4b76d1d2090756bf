"""The operator tries the settings of mails."""

import json
from pathlib import Path

from tests.auth_service.cli.conftest import Run, RunJson


def test_a_test_message_is_sent_at_once(run: Run, run_json: RunJson, environ: dict[str, str], tmp_path: Path) -> None:
    environ["DATA_DIR"] = str(tmp_path)
    assert "accepted: " in run("mail", "test", "ann@example.org").stdout
    sent = run_json("mail", "test", "ann@example.org", "--language", "fr")
    assert (sent["address"], sent["accepted"]) == ("ann@example.org", True)
    assert sent["steps"][-1].startswith("accepted: ")
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 2


def test_a_message_that_is_not_accepted_exits_with_1(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    environ["DATA_DIR"] = str(tmp_path)
    failed = run("mail", "test", "not an address", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["accepted"] is False
    assert "ADDRESS: the message to not an address was not accepted" in failed.stderr
