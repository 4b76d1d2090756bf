"""Stop of the whole system.

Tests here stop the stacks that other tests share, which saves starts: the name of this file makes it run last.
"""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.system.support.running_stack import RunningStack, descendants, is_running, run_stack

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")


def all_end_within(pids: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while running := {pid for pid in pids if is_running(pid)}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return not running


def test_ctrl_c_stops_the_stack_and_leaves_no_process(strict_stack: RunningStack) -> None:
    strict_stack.http.close()
    processes = strict_stack.pids()
    assert len(processes) == 7  # redis, three gunicorns and a worker each
    assert strict_stack.signal(signal.SIGINT) == 0
    assert all_end_within(processes, 1), strict_stack.output()


def test_a_healthy_stack_logs_no_warning_and_leaves_each_database_in_one_file(databases: Path) -> None:
    """At the stop the write-ahead log is copied into the database, so that a backup needs no other file."""
    with run_stack(databases, DEVELOPMENT="off") as stack:  # whose warning a start in development logs
        stack.add_note(stack.login(stack.register()).access, "A note")
        stack.http.close()
        assert [file.name for file in stack.data_dir.glob("*-wal") if file.stat().st_size]
        assert stack.signal(signal.SIGTERM) == 0
        assert len(list(stack.data_dir.glob("*.db"))) == 2
        assert not [file.name for file in stack.data_dir.glob("*-wal") if file.stat().st_size]
        lines = [json.loads(line.partition("| ")[2]) for line in stack.output().splitlines() if "| {" in line]
        assert {line["service"] for line in lines} == {"gateway", "auth_service", "resource_service"}
        assert not [line for line in lines if line["level"] not in ("debug", "info")]


def test_if_a_service_dies_the_stack_stops_and_prints_its_name(stack: RunningStack) -> None:
    stack.http.close()
    processes = stack.pids()
    (master,) = (pid for pid in stack.pids("auth_service") if descendants(pid))
    os.kill(master, signal.SIGKILL)
    assert stack.process.wait(20) == 1
    assert "auth ended by itself (SIGKILL)" in stack.output()
    assert all_end_within(processes, 1), stack.output()
