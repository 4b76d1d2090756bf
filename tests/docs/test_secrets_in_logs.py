"""A test run fails if a log line of it contains a token, a handle or a password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import secrets_in_logs
from tests.docs.code_blocks import ROOT

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
HANDLE = "Ab1" * 14 + "x"
PLANTED = {
    "an access or refresh token": JWT,
    "a token without its signature": JWT.rpartition(".")[0],
    "a session handle": HANDLE,
    "a token of a link in a mail": "c4nv2k-" + HANDLE,
    "a password of a test": "quite a Long-ish " + "passphrase 7",
}
CLEAN = '{"event": "request", "request_id": "480ab44f86183e9300000008", "sid": "9f2c4e6a8b0d1f3a5c7e9b1d3f5a7c9e"}'
TESTS = """
import structlog, sys
from structlog.testing import capture_logs

def test_that_prints():
    {prints}

def test_that_captures():
    with capture_logs():
        {captures}
"""


@pytest.mark.parametrize("secret", PLANTED.values(), ids=PLANTED)
def test_each_kind_of_secret_is_found_and_not_repeated(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_in_logs, "found", {})
    secrets_in_logs.search("a log", f'{CLEAN}\n{{"event": "planted", "value": "{secret}"}}\n{CLEAN}')
    assert '"event": "planted"' in secrets_in_logs.found["a log"]
    assert secret not in secrets_in_logs.found["a log"]


def test_lines_without_secrets_are_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_in_logs, "found", {})
    secrets_in_logs.search("a log", f"{CLEAN}\nValueError: [token]\n/reset/[mail-token] " + "0" * 64)
    assert secrets_in_logs.found == {}


def run_planted(folder: Path, *options: str, prints: str = "pass", captures: str = "pass") -> tuple[int, str]:
    """Run a test that prints and one that captures an event; return the exit status and the output."""
    (folder / "test_planted.py").write_text(TESTS.format(prints=prints, captures=captures))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.secrets_in_logs",
        "-p",
        "no:cacheprovider",
        "-q",
        *options,
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ended = subprocess.run(
        [*command, "--rootdir", str(folder), "-c", os.devnull, str(folder)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
    )
    return ended.returncode, ended.stdout


@pytest.mark.system
@pytest.mark.parametrize("options", [("-p", "no:xdist"), ("-n", "1")], ids=["alone", "with workers"])
def test_a_run_fails_if_a_test_has_logged_a_secret(tmp_path: Path, options: tuple[str, ...]) -> None:
    captured = f"structlog.get_logger().info('planted_event', token={JWT!r})"
    status, output = run_planted(tmp_path, *options, prints=f"print({JWT!r})", captures=captured)
    assert "2 passed" in output
    assert status == 1
    assert "test_that_prints (Captured stdout call): a JWT in: [...]" in output
    assert "a captured event planted_event: a JWT in:" in output
    assert JWT not in output


def test_a_run_without_secrets_passes(tmp_path: Path) -> None:
    status, output = run_planted(tmp_path, "-p", "no:xdist", prints="print('[token]')")
    assert (status, "secrets in logs" in output) == (0, False)
