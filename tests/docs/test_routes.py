"""docs/routes.md shows what `python -m gateway check-routes` prints."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import commands
from tests.docs.code_blocks import ROOT

PAGE = (ROOT / "docs" / "routes.md").read_text(encoding="utf-8")
COMMAND = "python -m gateway "
WRONG = """
[upstreams.reports]
urls = ["http://127.0.0.1:9000"]
identity = false

[[routes]]
prefix = "/reports/"
upstream = "reports"
access = "everyone"
"""


def test_the_page_shows_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = PAGE.split(f"```\n$ {COMMAND}", 1)[1].split("\n```", 1)[0]
    command, _, printed = shown.partition("\n")
    assert CliRunner().invoke(commands, command.split()).output.strip() == printed.strip()


def test_the_page_shows_how_a_problem_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-routes.toml").write_text(WRONG)
    result = CliRunner().invoke(commands, ["check-routes", "--form", "--file", "my-routes.toml"])
    assert result.exit_code == 2
    assert f"```\n{result.output.strip()}\n```" in PAGE
