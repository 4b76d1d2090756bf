"""With a real gunicorn, log-ins replace hashes of another cost, and never a password that changes meanwhile."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import create_engine, text

from tests.auth_service.conftest import environ_for
from tests.auth_service.running_service import Answer, RunningService, running_service
from tests.auth_service.world import PASSWORD

pytestmark = pytest.mark.system

NEW_PASSWORD = "a good horse battery"
USERS = [f"user{number}@example.org" for number in range(6)]
LOG_INS = 4
"""Parallel log-ins of each user."""

Start = Callable[[str], AbstractContextManager[RunningService]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="auth-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(folder: Path, valkey: str, redis: Redis, signing_pem: str) -> Start:
    """Return a function that starts the service with a cost, always with the same database."""
    environ = environ_for(folder / "auth.db", valkey, signing_pem) | {"AUTH_WORKERS": "2"}
    return lambda cost: running_service(folder, environ | {"ARGON2_TIME_COST": cost})


def log_in(service: RunningService, email: str, password: str = PASSWORD) -> Answer:
    return service.send("POST", "/auth/jwt/create/", document={"email": email, "password": password})


def register(service: RunningService) -> dict[str, str]:
    """Register all users; return an access token of each."""
    for email in USERS:
        document = {"email": email, "password": PASSWORD}
        assert service.send("POST", "/auth/users/", document=document).status == 201
    return {email: log_in(service, email).body["access"] for email in USERS}


def costs(folder: Path) -> set[str]:
    """Return the parameters of the stored hashes."""
    engine = create_engine(f"sqlite:///{folder / 'auth.db'}")
    with engine.connect() as connection:
        hashes = connection.scalars(text("SELECT password_hash FROM users")).all()
    engine.dispose()
    return {password_hash.split("$")[3] for password_hash in hashes}


def test_parallel_log_ins_replace_a_hash_of_another_cost(start: Start, folder: Path) -> None:
    with start("1") as service:
        register(service)
    assert costs(folder) == {"m=8,t=1,p=1"}
    with start("2") as service, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda email: log_in(service, email), USERS * LOG_INS))
        assert {answer.status for answer in answers} == {200}
        assert costs(folder) == {"m=8,t=2,p=1"}
        assert {log_in(service, email).status for email in USERS} == {200}
        assert {log_in(service, email, "wrong").status for email in USERS} == {401}


def test_a_password_that_changes_during_log_ins_that_replace_its_hash_stays_changed(
    start: Start, folder: Path
) -> None:
    with start("1") as service:
        access = register(service)

    def change_password(email: str) -> Answer:
        headers = {"Authorization": f"Bearer {access[email]}"}
        document = {"new_password": NEW_PASSWORD, "current_password": PASSWORD}
        return service.send("POST", "/auth/users/set_password/", headers, document)

    with start("2") as service, ThreadPoolExecutor(LOG_INS + 1) as pool:
        for email in USERS:
            before = [pool.submit(log_in, service, email) for _ in range(LOG_INS // 2)]
            changed = pool.submit(change_password, email)
            after = [pool.submit(log_in, service, email) for _ in range(LOG_INS // 2)]
            assert changed.result().status == 204
            # 401 if the password changed before the session was opened.
            assert {each.result().status for each in (*before, *after)} <= {200, 401}
            assert log_in(service, email, NEW_PASSWORD).status == 200
            assert log_in(service, email).status == 401
    assert costs(folder) == {"m=8,t=2,p=1"}
