"""requirements/install.sh installs packages with uv, or with pip if uv fails."""

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


def write_program(folder: Path, name: str, script: str) -> None:
    """Write an executable shell script into the folder."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def install(programs: Path, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run install.sh for one package, with a stand-in for the interpreter, so that nothing is downloaded.

    The stand-in writes its arguments to the file $CALLS. It exits with 3 if they equal $FAILS.
    """
    (tmp_path / "one.txt").write_text("one==1 \\\n    --hash=sha256:00\n")
    binaries = tmp_path / "venv" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    write_program(binaries, "python", 'echo "python $*" >> "$CALLS"; [ "$*" = "${FAILS:-}" ] && exit 3; exit 0')
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
    """Return the command lines of the programs that install.sh called."""
    return (tmp_path / "calls").read_text().splitlines()


def test_uv_is_used_with_the_index_and_the_certificates_of_pip(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "uv", 'echo "uv $1 ca=$SSL_CERT_FILE index=$UV_DEFAULT_INDEX" >> "$CALLS"')
    result = install(programs, tmp_path, PIP_CERT="/ca.pem", PIP_INDEX_URL="https://packages.example/simple")
    assert result.returncode == 0, result.stderr
    options = "ca=/ca.pem index=https://packages.example/simple"
    assert calls(tmp_path) == [f"uv venv {options}", f"uv pip {options}"]


def test_pip_is_used_if_uv_fails(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "uv", "echo 'no route to the index' >&2; exit 2")
    result = install(programs, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "uv could not install them: trying pip" in result.stderr
    assert "pip install" in calls(tmp_path)[-1]
    assert "--require-hashes" in calls(tmp_path)[-1]


def test_the_script_prints_the_number_of_packages(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "uv", "exit 0")
    assert "installing 1 packages into" in install(programs, tmp_path).stdout


def test_if_pip_fails_too_the_script_exits_with_its_status(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "uv", "exit 2")
    pip_install = f"-m pip install --disable-pip-version-check --no-color --require-hashes -r {tmp_path}/one.txt"
    assert install(programs, tmp_path, FAILS=pip_install).returncode == 3


def test_the_requirements_for_running_are_pinned_to_the_versions_of_the_tests() -> None:
    pinned = {name: _pins(ROOT / "requirements" / f"{name}.txt") for name in ("run", "dev")}
    assert pinned["run"]
    assert pinned["run"] < pinned["dev"]


def _pins(file: Path) -> set[str]:
    return {line.split(" ")[0] for line in file.read_text().splitlines() if "==" in line and not line.startswith(" ")}
