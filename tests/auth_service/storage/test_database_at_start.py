"""A service whose database cannot be used exits with one line that says what to do, without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.plan import ROOT
from stack.secrets_files import make_secrets
from stack.settings import SECRETS
from tests.ports import free_port
from tests.postgres import find_program, running_postgres
from tests.system.support.running_stack import clean_environ

pytestmark = pytest.mark.system

SERVER = {name: ["gunicorn", "-c", f"python:{name}.gunicorn_conf"] for name in ("auth_service", "resource_service")}


def run(folder: Path, url: str, *words: str) -> tuple[int, list[str]]:
    """Run `python -m words` and return its exit status and the output lines that are not JSON."""
    make_secrets(folder, SECRETS)
    environ = clean_environ() | {f"{secret.setting}_FILE": str(folder / secret.file) for secret in SECRETS}
    environ |= {"DATABASE_URL": url, "REDIS_URL": f"unix://{folder / 'redis'}", "PYTHONPATH": str(ROOT)}
    environ |= {"AUTH_BIND": f"unix:{folder / 's'}", "RESOURCE_BIND": f"unix:{folder / 's'}"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=50
    )
    output = done.stdout + done.stderr
    return done.returncode, [line for line in output.splitlines() if not line.startswith("{")]


@pytest.mark.parametrize("service", SERVER)
def test_a_service_without_its_sqlite_file_does_not_start(tmp_path: Path, service: str) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    status, output = run(tmp_path, url, *SERVER[service])
    assert status == 2
    assert output == [
        f"cannot start: the database of DATABASE_URL cannot be used: there is no file {tmp_path / 'a.db'}; "
        f"run `python -m {service} migrate`"
    ]


@pytest.mark.parametrize("command", ["migrate", "serve"])
@pytest.mark.parametrize("service", SERVER)
def test_a_migration_names_the_database_that_it_cannot_reach(tmp_path: Path, service: str, command: str) -> None:
    status, output = run(tmp_path, f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/sally", service, command)
    assert status == 2
    (line,) = output
    assert line.startswith("cannot start: the database of DATABASE_URL cannot be used: ")
    assert line.endswith("start the database server, or correct DATABASE_URL")
    assert "hunter2" not in line


@pytest.mark.skipif(find_program("postgres") is None, reason="PostgreSQL is not installed")
def test_a_migration_without_permission_to_create_tables_names_the_permission(tmp_path: Path) -> None:
    with running_postgres() as server:
        psql = [str(find_program("psql")), server.url, "-qv", "ON_ERROR_STOP=1", "-c"]
        create = "CREATE DATABASE utf8 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        for statement in (create, "CREATE ROLE ann LOGIN"):
            subprocess.run([*psql, statement], check=True, capture_output=True)
        url = server.url.replace("postgres@", "ann@").replace("/postgres?", "/utf8?")
        os.chmod(tmp_path, 0o755)
        for service in SERVER:
            status, (line,) = run(tmp_path, url, service, "migrate")
            assert status == 2
            assert "permission denied for schema public; grant the permission to the user in DATABASE_URL" in line
