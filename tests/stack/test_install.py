"""requirements/install.sh installs packages into the virtual environment."""

import os
import subprocess
from pathlib import Path

import pytest

from stack.plan import ROOT

INSTALL = ROOT / "requirements" / "install.sh"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that comes first on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def play(folder: Path, name: str, script: str) -> None:
    """Write a program into the folder."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def install(programs: Path, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Install one package with a stand-in interpreter that prints its arguments."""
    (tmp_path / "one.txt").write_text("one==1 \\\n    --hash=sha256:00\n")
    binaries = tmp_path / "venv" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    play(binaries, "python", 'echo "python $*" >> "$CALLS"; [ "$*" = "${FAILS:-}" ] && exit 3; exit "${STATUS:-0}"')
    environ |= {"PATH": f"{programs}:{os.defpath}", "CALLS": str(tmp_path / "calls")}
    return subprocess.run(
        [str(INSTALL), str(tmp_path / "venv"), str(tmp_path / "one.txt")],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_uv_is_used_if_it_works_with_pips_certificates(programs: Path, tmp_path: Path) -> None:
    play(programs, "uv", 'echo "uv $1 ca=$SSL_CERT_FILE index=$UV_DEFAULT_INDEX" >> "$CALLS"')
    done = install(programs, tmp_path, PIP_CERT="/ca.pem", PIP_INDEX_URL="https://packages.example/simple")
    assert done.returncode == 0, done.stderr
    options = "ca=/ca.pem index=https://packages.example/simple"
    assert calls(tmp_path) == [f"uv venv {options}", f"uv pip {options}"]


def test_pip_is_used_if_uv_fails(programs: Path, tmp_path: Path) -> None:
    play(programs, "uv", "echo 'no route to the index' >&2; exit 2")
    done = install(programs, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "uv could not install them: trying pip" in done.stderr
    assert "pip install" in calls(tmp_path)[-1]
    assert "--require-hashes" in calls(tmp_path)[-1]


def test_it_prints_the_number_of_packages(programs: Path, tmp_path: Path) -> None:
    play(programs, "uv", "exit 0")
    assert "installing 1 packages into" in install(programs, tmp_path).stdout


def test_a_failure_of_pip_is_a_failure(programs: Path, tmp_path: Path) -> None:
    play(programs, "uv", "exit 2")
    words = f"-m pip install --disable-pip-version-check --no-color --require-hashes -r {tmp_path}/one.txt"
    assert install(programs, tmp_path, FAILS=words).returncode == 3


def test_run_requirements_are_pinned_as_in_the_tests() -> None:
    pinned = {name: _pins(ROOT / "requirements" / f"{name}.txt") for name in ("run", "dev")}
    assert pinned["run"]
    assert pinned["run"] < pinned["dev"]


def _pins(file: Path) -> set[str]:
    return {line.split(" ")[0] for line in file.read_text().splitlines() if "==" in line and not line.startswith(" ")}
