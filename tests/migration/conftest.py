"""Databases of the Django project: SQLite and PostgreSQL."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stack.plan import ROOT
from tests.migration.django_server import PYTHON
from tests.postgres import find_program, running_postgres


@pytest.fixture(autouse=True)
def environment() -> None:
    """Skip the test if Django is not installed."""
    if not PYTHON.exists():
        pytest.skip("make test-migration creates the environment of the Django project")


@pytest.fixture(params=["sqlite", "postgresql"])
def project_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/django.db"
        return
    if find_program("postgres") is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres() as server:
        yield server.url


@pytest.fixture
def auth_database(tmp_path: Path) -> Path:
    """The path of the auth service's database."""
    return tmp_path / "auth.db"


@pytest.fixture
def auth_environ(auth_database: Path, tmp_path: Path) -> dict[str, str]:
    """The settings of an auth service with migrated tables. Its Redis does not exist: an import needs none."""
    key = generate_private_key(65537, 2048)
    settings = {
        "DATABASE_URL": f"sqlite:///{auth_database}",
        "REDIS_URL": f"unix://{tmp_path}/none",
        "SIGNING_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "REFRESH_SECRET": secrets.token_urlsafe(32),
        "PEER_SECRET": secrets.token_urlsafe(32),
    }
    command = [sys.executable, "-m", "auth_service", "migrate"]
    subprocess.run(command, env={**os.environ, **settings}, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return settings
