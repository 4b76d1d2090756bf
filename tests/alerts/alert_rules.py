"""The rules in deploy/prometheus, and promtool."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES, ALERTS, TESTS = FOLDER / "rules.yml", FOLDER / "alerts.yml", FOLDER / "alerts.test.yml"


def alert_names() -> list[str]:
    """Return the names of all alerts."""
    return re.findall(r"^ +- alert: (\w+)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)


def promtool(*arguments: str | Path) -> str:
    """Run promtool, which must succeed, and return its output. Skip the test if it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    finished = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=170)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
