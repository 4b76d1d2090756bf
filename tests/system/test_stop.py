"""Stopping the whole system.

Each test ends a stack that the others share, to save starting one more: this file's name has it run last.
"""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.system.support.running_stack import RunningStack, descendants, is_running, run_stack

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")


def goes_away(pids: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while running := {pid for pid in pids if is_running(pid)}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return not running


def test_ctrl_c_stops_it_and_leaves_no_process(strict_stack: RunningStack) -> None:
    strict_stack.http.close()
    processes = strict_stack.pids()
    assert len(processes) == 7  # redis, three gunicorns and a worker each
    assert strict_stack.signal(signal.SIGINT) == 0
    assert goes_away(processes, 1), strict_stack.output()


def test_a_healthy_stack_warns_of_nothing_and_leaves_each_database_in_one_file() -> None:
    """The write-ahead log is copied into its database at the stop, so that a backup needs no other file."""
    with run_stack() as stack:
        stack.add_note(stack.login(stack.register()).access, "A note")
        stack.http.close()
        assert [file.name for file in stack.data_dir.glob("*-wal") if file.stat().st_size]
        assert stack.signal(signal.SIGTERM) == 0
        assert len(list(stack.data_dir.glob("*.db"))) == 2
        assert not [file.name for file in stack.data_dir.glob("*-wal") if file.stat().st_size]
        lines = [json.loads(line.partition("| ")[2]) for line in stack.output().splitlines() if "| {" in line]
        assert {line["service"] for line in lines} == {"gateway", "auth_service", "resource_service"}
        assert not [line for line in lines if line["level"] not in ("debug", "info")]


def test_when_a_service_dies_the_rest_stops_and_its_name_is_printed(stack: RunningStack) -> None:
    stack.http.close()
    processes = stack.pids()
    (master,) = (pid for pid in stack.pids("auth_service") if descendants(pid))
    os.kill(master, signal.SIGKILL)
    assert stack.process.wait(20) == 1
    assert "auth ended by itself (SIGKILL)" in stack.output()
    assert goes_away(processes, 1), stack.output()
