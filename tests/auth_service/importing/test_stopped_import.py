"""An import that is killed at any point continues when it is run again: nobody twice, nobody missing."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from auth_service.importing.imported_user import derived_id
from tests.auth_service.importing.recorded import django_database
from tests.auth_service.running_service import ROOT

USERS = 3_000


def large_project(folder: Path, users: int) -> Path:
    """Create a Django database with many users."""
    path = django_database(folder)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM auth_user WHERE id > 1")
        connection.execute("UPDATE auth_user SET email = 'user1@example.org'")
        columns = "password, last_login, is_superuser, username, last_name, email, is_staff, is_active, date_joined"
        connection.executemany(
            f"INSERT INTO auth_user (id, {columns}, first_name) SELECT ?, password, NULL, 0, ?, 'Lee', ?, 0, 1, "
            "date_joined, 'Ann' FROM auth_user WHERE id = 1",
            ((number, f"user{number}", f"user{number}@example.org") for number in range(2, users + 1)),
        )
    return path


def imported(database: Path) -> list[str]:
    """Return the ids of the stored users."""
    with sqlite3.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM users")]


def test_nobody_is_missing_or_twice_after_kills_at_random_times(
    environ: dict[str, str], database: Path, tmp_path: Path
) -> None:
    project = large_project(tmp_path, USERS)
    words = ["import-users", "django", "--database", f"sqlite:///{project}", "--batch-size", "50", "--json"]
    command = [sys.executable, "-m", "auth_service", *words]
    options = {"env": environ, "cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    times = random.Random(7)
    stopped_at: list[int] = []
    for _ in range(4):
        before = len(imported(database))
        with subprocess.Popen(command, **options) as process:  # type: ignore[call-overload]
            deadline = time.monotonic() + 30
            while len(imported(database)) == before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(times.uniform(0, 0.1))  # a random point of the work
            process.send_signal(signal.SIGKILL)
        stopped_at.append(len(imported(database)))
    assert 0 < stopped_at[0] < USERS, "the first run was stopped in the middle"
    assert sorted(stopped_at) == stopped_at

    done = subprocess.run(command, **options, check=True)  # type: ignore[call-overload]

    report = json.loads(done.stdout)
    assert report["imported"] + report["unchanged"] == USERS
    assert report["unchanged"] == stopped_at[-1]
    expected = {derived_id("django", str(number)).hex for number in range(1, USERS + 1)}
    stored = [each.replace("-", "") for each in imported(database)]
    assert len(stored) == USERS
    assert set(stored) == expected


def test_two_imports_at_once_store_everybody_once(environ: dict[str, str], database: Path, tmp_path: Path) -> None:
    project = large_project(tmp_path, 500)
    words = ["import-users", "django", "--database", f"sqlite:///{project}", "--batch-size", "20", "--json"]
    command = [sys.executable, "-m", "auth_service", *words]
    processes = [subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    reports = [json.loads(process.communicate(timeout=50)[0]) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert sum(report["imported"] for report in reports) == 500
    assert all(report["imported"] + report["unchanged"] == 500 for report in reports)
    assert len(imported(database)) == 500
