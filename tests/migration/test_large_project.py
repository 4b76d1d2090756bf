"""100,000 users of a real Django database are imported in under a minute; a killed import continues."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack.plan import ROOT
from tests.migration.django_server import PASSWORD, DjangoProject

USERS = 100_000
MAX_SECONDS = 60

CREATE_USERS = f"""
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
password = make_password({PASSWORD!r}, None, "pbkdf2_sha256")
names = (f"user{{number}}" for number in range({USERS}))
users = (User(username=name, email=name + "@example.org", password=password, first_name="Ann") for name in names)
User.objects.bulk_create(users, batch_size=1000)
"""


@pytest.fixture
def project(project_database: str) -> DjangoProject:
    project = DjangoProject(project_database)
    project.create_tables()
    project.run(CREATE_USERS)
    return project


def command(project: DjangoProject, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start the import."""
    words = [sys.executable, "-m", "auth_service", "import-users", "django", "--json"]
    whole = {**os.environ, **environ, "IMPORT_DATABASE_URL": project.database}
    return subprocess.Popen(words, env=whole, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def stored(database: Path) -> int:
    """Return the number of users."""
    with sqlite3.connect(database) as connection:
        return int(connection.execute("SELECT count(*) FROM users").fetchone()[0])


@pytest.mark.timeout(600)
def test_the_import_takes_less_than_a_minute(
    project: DjangoProject, auth_environ: dict[str, str], auth_database: Path
) -> None:
    began_at = time.monotonic()
    with command(project, auth_environ) as process:
        output, _ = process.communicate()
    seconds = time.monotonic() - began_at

    assert json.loads(output)["imported"] == stored(auth_database) == USERS
    assert seconds < MAX_SECONDS, f"the import took {seconds:.0f} seconds"


@pytest.mark.timeout(600)
def test_the_import_survives_kills(project: DjangoProject, auth_environ: dict[str, str], auth_database: Path) -> None:
    for share in (0.2, 0.5):
        with command(project, auth_environ) as process:
            while stored(auth_database) < USERS * share:
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
    with command(project, auth_environ) as process:
        output, _ = process.communicate()

    report = json.loads(output)
    assert report["imported"] + report["unchanged"] == USERS
    assert report["unchanged"] >= USERS * 0.5
    assert stored(auth_database) == USERS
