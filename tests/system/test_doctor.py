"""`make doctor` says nothing about a healthy stack, and finds each fault that is planted in a running one."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from stack.plan import ROOT
from tests.auth_service.mail.smtp_server import MailServer, mail_server
from tests.doctor.servers import http_server, redis_server
from tests.postgres import find_program, running_postgres
from tests.system.support.running_stack import RunningStack, run_stack

SAFE = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
DAY = 86_400


def doctor(stack: RunningStack, status: int, **settings: str) -> Mapping[str, Any]:
    """Run doctor as `make doctor` does, beside the stack, and return its report."""
    words = ["--stack", "--json", "--skip", "versions.python"]  # the Python of the machine of the tests may be old
    result = subprocess.run(
        [sys.executable, "-m", "doctor", *words],
        cwd=ROOT,
        env={**stack.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode in (0, 1), result.stderr
    report: Mapping[str, Any] = json.loads(result.stdout)
    assert result.returncode == status, report["findings"]
    return report


def found(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the severity of each finding, by check."""
    return {finding["check"]: finding["severity"] for finding in report["findings"]}


def rows(database: Path) -> dict[str, int]:
    """Return the number of rows in each table."""
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def test_the_stack_of_make_run_has_no_finding_and_is_not_changed(stack: RunningStack) -> None:
    files = [*stack.data_dir.glob("*.secret"), *stack.data_dir.glob("*.pem")]
    before = {file: (file.read_bytes(), file.stat().st_mtime) for file in files}
    tables = rows(stack.data_dir / "auth.db"), rows(stack.data_dir / "notes.db")
    report = doctor(stack, 0)
    assert report["findings"] == report["not_checked"] == []
    assert {file: (file.read_bytes(), file.stat().st_mtime) for file in files} == before
    assert (rows(stack.data_dir / "auth.db"), rows(stack.data_dir / "notes.db")) == tables


@pytest.fixture(scope="module")
def redis_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Redis."""
    return tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="module")
def production(
    databases: Path, redis_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """A stack in production, with PostgreSQL if it is installed, Redis, an SMTP server and secrets in files."""
    folder = tmp_path_factory.mktemp("production")
    for file in (*databases.glob("*.secret"), *databases.glob("*.pem")):
        shutil.copy(file, folder)
    names = {"SIGNING_KEY": "signing.pem", "REFRESH_SECRET": "refresh.secret", "PEER_SECRET": "peer.secret"}
    names["IDENTITY_SECRET"] = "notes.secret"
    with ExitStack() as servers:
        url = servers.enter_context(redis_server(redis_folder, *SAFE))
        mails = servers.enter_context(mail_server(MailServer()))
        yield servers.enter_context(
            run_stack(
                APP_ENV="production",
                DATA_DIR=str(folder),
                DATABASE_URL=_database(servers, folder),
                REDIS_URL=url,
                RATE_LIMITS="on",
                PUBLIC_URL="https://api.invalid",
                ALLOWED_ORIGINS="https://app.example.net",
                TRUSTED_PROXIES="10.0.0.1",
                SMTP_HOST="127.0.0.1",
                SMTP_PORT=str(mails.port),
                SMTP_SECURITY="none",
                MAIL_FROM="no-reply@example.net",
                AUTH_WORKERS="1",
                GATEWAY_WORKERS="1",
                **{f"{setting}_FILE": str(folder / file) for setting, file in names.items()},
            )
        )


def _database(servers: ExitStack, folder: Path) -> str:
    if not find_program("initdb"):
        return f"sqlite:///{folder / 'both.db'}"
    return servers.enter_context(running_postgres()).url


def test_a_stack_in_production_has_no_finding(production: RunningStack) -> None:
    report = doctor(production, 0)
    assert report["findings"] == []
    assert [each["check"] for each in report["not_checked"]] == ["certificates.public"], "the host does not exist"


def test_too_few_connections_of_postgresql_are_found(production: RunningStack) -> None:
    if "postgresql" not in production.environ["DATABASE_URL"]:
        pytest.skip("PostgreSQL is not installed")
    report = doctor(production, 1, AUTH_WORKERS="16")
    assert found(report) == {"database.connections": "warning"}


PLANTED = {
    "settings.misspelled": "warning",
    "settings.log-level": "warning",
    "settings.rate-limits": "error",
    "secrets.shared": "error",
    "secrets.age": "warning",
    "secrets.rotation": "error",
    "services.unauthenticated": "error",
    "redis.persistence": "error",
    "redis.eviction": "error",
    "database.resource-migrations": "error",
    "browsers.cookie-setting": "error",
    "browsers.cookies": "error",
    "browsers.origins": "error",
    "browsers.trusted-proxies": "error",
    "browsers.hsts": "warning",
    "timeouts.tokens": "error",
    "timeouts.keep-alive": "error",
    "timeouts.routes": "warning",
    "timeouts.password-queue": "warning",
    "limits.bodies": "warning",
    "limits.headers": "error",
    "mail.settings": "warning",
    "mail.backlog": "error",
    "webhooks.secrets": "error",
    "webhooks.reachable": "warning",
    "claims.forwarded": "warning",
}
"""Every fault that the next test plants, each in its own place, by the check that has to find it."""

WEBHOOKS = (
    'endpoints.crm = {url = "http://127.0.0.1:1/", secrets = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="]}'
)
"""An endpoint at which nothing listens, with the secret of the documentation."""

ROUTES = """
[upstreams.reports]
urls = ["http://{authority}"]
identity_secret_file = "peer.secret"

[[routes]]
prefix = "/reports/"
upstream = "reports"
access = "authenticated"
timeout = {{ read = 90, total = 60 }}

[[routes]]
prefix = "/api/files/"
upstream = "notes"
access = "authenticated"
max_body = "8MiB"
"""


def test_each_planted_fault_of_a_running_stack_is_found(databases: Path, tmp_path: Path, redis_folder: Path) -> None:
    routes = tmp_path / "routes.toml"
    unsafe = ("--appendonly", "no", "--save", "", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with http_server(lambda *_: (200, {})) as authority, redis_server(redis_folder, *unsafe) as redis_url:
        routes.write_text((ROOT / "gateway" / "routes.toml").read_text() + ROUTES.format(authority=authority))
        settings = {
            "PUBLIC_URL": "https://api.invalid",
            "SESSION_COOKIE_SECURE": "off",
            "HSTS_MAX_AGE": "0",
            "ALLOWED_ORIGINS": "http://localhost:5173",
            "ACCESS_TOKEN_LIFETIM": "60",
            "REFRESH_TOKEN_LIFETIME": "300",
            "HASH_MAX_WAIT": "45",
            "LOG_LEVEL": "DEBUG",
            "GUNICORN_CMD_ARGS": "--keep-alive 5 --limit-request-fields 64",
            "GATEWAY_ROUTES": str(routes),
            "REDIS_URL": redis_url,
            "WEBHOOKS": WEBHOOKS,
            "IDENTITY_CLAIMS": "tenant",
        }
        with run_stack(databases, AUTH_WORKERS="1", GATEWAY_WORKERS="1", **settings) as stack:
            plant_in_files(stack.data_dir)
            report = doctor(stack, 1)
    assert found(report) == PLANTED
    text = json.dumps(report)
    for file in (*databases.glob("*.secret"), databases / "signing.pem"):
        assert file.read_text().strip().splitlines()[-1] not in text, f"the report has the content of {file.name}"


def plant_in_files(data_dir: Path) -> None:
    """Make a key old, leave a half-written secret, an old version of tables and a mail that waits."""
    long_ago = time.time() - 500 * DAY
    os.utime(data_dir / "signing.pem", (long_ago, long_ago))
    (data_dir / ".refresh.secret.next").write_text("half")
    with closing(sqlite3.connect(data_dir / "notes.db")) as notes:
        notes.execute("UPDATE notes_alembic_version SET version_num = '0001'")
        notes.commit()
    with closing(sqlite3.connect(data_dir / "auth.db")) as auth:
        values = ("00" * 16, "activation", "ann@example.com", "", "{}", time.time() - DAY, 3, time.time() + DAY)
        columns = "id, kind, email, accept_language, context, created_at, attempts, due_at"
        auth.execute(f"INSERT INTO mail_outbox ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        auth.commit()
