"""The auth service alone, as it really runs: many log-ins at once are all served, and other requests pass them."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from redis import Redis

from auth_service.settings import SECURE_HASH, AuthSettings
from chassis.settings import load
from tests.auth_service.conftest import environ_for
from tests.auth_service.running_service import RunningService, running_service
from tests.auth_service.world import PASSWORD

CROWD = 50
FEW = {"AUTH_WORKERS": "1", "AUTH_THREADS": "2", "HASH_CONCURRENCY": "1", "HASH_MAX_WAIT": "30"}
COST = {"ARGON2_TIME_COST": str(SECURE_HASH.time), "ARGON2_MEMORY_COST": str(SECURE_HASH.memory)}
CREDENTIALS = {"email": "ann@example.org", "password": PASSWORD}


@pytest.fixture
def service(valkey: str, redis: Redis, signing_pem: str) -> Iterator[RunningService]:
    folder = Path(tempfile.mkdtemp(prefix="auth-"))  # a name short enough for a socket in it
    with running_service(folder, environ_for(folder / "auth.db", valkey, signing_pem) | COST | FEW) as service:
        yield service
    shutil.rmtree(folder, ignore_errors=True)


def test_fifty_log_in_at_once_and_others_pass_them(service: RunningService) -> None:
    """R39: they wait in threads of their own, so that two threads are enough for a refresh beside them."""
    assert service.ask("POST", "/auth/users/", document=CREDENTIALS).status == 201
    tokens = service.ask("POST", "/auth/jwt/create/", document=CREDENTIALS).body
    with ThreadPoolExecutor(CROWD) as pool:
        logins = [pool.submit(service.ask, "POST", "/auth/jwt/create/", document=CREDENTIALS) for _ in range(CROWD)]
        wait(logins, return_when=FIRST_COMPLETED)
        refreshed = service.ask("POST", "/auth/jwt/refresh/", document={"refresh": tokens["refresh"]})
        waiting = sum(not login.done() for login in logins)
    assert refreshed.status == 200
    assert waiting > 0, "the refresh waited for all the log-ins"
    assert Counter(login.result().status for login in logins) == {200: CROWD}


def test_there_are_threads_for_all_that_may_wait_and_as_many_as_ever_beside_them(environ: dict[str, str]) -> None:
    settings = load(AuthSettings, environ | {"AUTH_THREADS": "5", "HASH_CONCURRENCY": "3", "HASH_QUEUE": "40"})
    assert settings.all_threads == 48
