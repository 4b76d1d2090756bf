"""docs/log-in-in-front.md: its tables are valid at the end of the shipped routes, and are explained as it shows."""

import re
from pathlib import Path

from click.testing import CliRunner

from gateway.cli import commands
from tests.docs.code_blocks import ROOT

PAGE = (ROOT / "docs" / "log-in-in-front.md").read_text(encoding="utf-8")
SHOWN = re.compile(r"```\n\$ \.venv/bin/python -m gateway check-routes .*? --path (\S+)\n\.\.\.\n(.*?)```", re.DOTALL)


def test_the_example_is_explained_as_the_page_shows(tmp_path: Path) -> None:
    (tables,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    shipped = (ROOT / "gateway" / "routes.toml").read_text(encoding="utf-8")
    without_notes = "\n\n".join(table for table in shipped.split("\n\n") if "notes" not in table)
    for number, routes in enumerate((shipped, without_notes)):
        file = tmp_path / f"{number}.toml"
        file.write_text(f"{routes}\n{tables}")
        ((path, lines),) = SHOWN.findall(PAGE)
        result = CliRunner().invoke(commands, ["check-routes", "--form", "--file", str(file), "--path", path])
        assert result.exit_code == 0, result.output
        assert lines.splitlines()
        assert [line for line in lines.splitlines() if line not in result.stdout.splitlines()] == []
