"""Commands act only on the running system of DATA_DIR, and report errors in one line."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.commands import create_secrets, reload_gateway, run_auth_command
from stack.exclusive_use import is_locked, lock_data_dir
from stack.plan import ROOT, auth_command, gateway_pid_file, make_plan
from stack.settings import StartError
from tests.stack.conftest import Planning, Reading

EXITS_ON_SIGHUP = """
import signal, sys
signal.signal(signal.SIGHUP, lambda *_: sys.exit(7))
print("up", flush=True)
signal.pause()
"""


@contextmanager
def process_in_place_of_gateway() -> Iterator[subprocess.Popen[str]]:
    """Start a process that exits with 7 on SIGHUP."""
    process = subprocess.Popen([sys.executable, "-c", EXITS_ON_SIGHUP], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_reload_signals_the_gateway_of_this_data_dir(read: Reading) -> None:
    settings = read(DATA_DIR="data")
    lock = lock_data_dir(settings.data_dir)
    settings.run_dir.mkdir()
    try:
        with process_in_place_of_gateway() as gateway:
            gateway_pid_file(settings).write_text(f"{gateway.pid}\n")
            assert f"pid {gateway.pid}" in reload_gateway(settings)
            assert gateway.wait(30) == 7
    finally:
        os.close(lock)


def test_reload_sends_no_signal_to_another_process_with_the_pid_of_a_killed_gateway(read: Reading) -> None:
    settings = read(DATA_DIR="data")
    os.close(lock_data_dir(settings.data_dir))
    settings.run_dir.mkdir()
    with process_in_place_of_gateway() as other:
        gateway_pid_file(settings).write_text(f"{other.pid}\n")
        with pytest.raises(StartError, match="no gateway runs with DATA_DIR"):
            reload_gateway(settings)
        assert other.poll() is None


@pytest.mark.parametrize("written", [None, "", "not a number"])
def test_reload_reports_a_gateway_that_has_not_written_its_pid_yet(read: Reading, written: str | None) -> None:
    settings = read(DATA_DIR="data")
    lock = lock_data_dir(settings.data_dir)
    settings.run_dir.mkdir()
    if written is not None:
        gateway_pid_file(settings).write_text(written)
    try:
        with pytest.raises(StartError, match="make run"):
            reload_gateway(settings)
    finally:
        os.close(lock)


def test_is_locked_does_not_keep_the_lock(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    lock = lock_data_dir(tmp_path)
    assert is_locked(tmp_path)
    fcntl.flock(lock, fcntl.LOCK_UN)
    assert not is_locked(tmp_path)
    os.close(lock)


def test_the_gateway_writes_the_pid_file_that_reload_reads(plan: Planning) -> None:
    planned = plan()
    assert planned.gateway.argv[-2:] == ("--pid", str(gateway_pid_file(planned.settings)))


def test_auth_commands_receive_the_environment_of_the_auth_service(read: Reading) -> None:
    settings = read()
    (service,) = (command for command in make_plan(settings).services if command.name == "auth")
    assert auth_command(settings, "users", "grant", "a@b.co", "staff").environ == service.environ


@pytest.mark.parametrize("words", [["grant"], ["grant", "EMAIL=ann@example.com"], ["migration"]])
def test_make_reports_missing_arguments(words: list[str]) -> None:
    """`-o setup` stops make from installing packages first."""
    result = subprocess.run(
        ["make", "-s", *words, "-o", "setup"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=20
    )
    assert result.returncode != 0
    assert f"usage: make {words[0]}" in result.stderr


def test_a_folder_that_cannot_be_used_is_reported_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"DATA_DIR .*/file cannot be used"):
        is_locked(tmp_path / "file")
    with pytest.raises(StartError, match=r"SECRETS_DIR .*/file/below cannot be used"):
        create_secrets(tmp_path / "file" / "below")


def test_an_auth_command_reports_a_missing_data_dir(read: Reading) -> None:
    with pytest.raises(StartError, match=r"no DATA_DIR .*/elsewhere: start the system with `make run`"):
        run_auth_command(read(DATA_DIR="elsewhere"), ["users", "grant", "ann@example.com", "staff"])


def test_make_accepts_an_address_with_an_apostrophe(tmp_path: Path) -> None:
    words = ["grant", "EMAIL=o'brien@example.com", "ROLE=staff", f"DATA_DIR={tmp_path / 'none'}"]
    result = subprocess.run(["make", "-s", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)
    assert f"there is no DATA_DIR {tmp_path / 'none'}" in result.stderr
