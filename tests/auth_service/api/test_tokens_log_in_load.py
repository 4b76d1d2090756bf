"""With a real gunicorn, many concurrent log-ins all succeed, and other requests do not wait for them."""

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

pytestmark = pytest.mark.system

LOG_INS = 50
FEW_THREADS = {"AUTH_WORKERS": "1", "AUTH_THREADS": "2", "HASH_CONCURRENCY": "1", "HASH_MAX_WAIT": "30"}
COST = {"ARGON2_TIME_COST": str(SECURE_HASH.time), "ARGON2_MEMORY_COST": str(SECURE_HASH.memory)}
CREDENTIALS = {"email": "ann@example.org", "password": PASSWORD}


@pytest.fixture
def service(valkey: str, redis: Redis, signing_pem: str) -> Iterator[RunningService]:
    folder = Path(tempfile.mkdtemp(prefix="auth-"))  # short enough for the path of a Unix socket
    with running_service(
        folder, environ_for(folder / "auth.db", valkey, signing_pem) | COST | FEW_THREADS
    ) as service:
        yield service
    shutil.rmtree(folder, ignore_errors=True)


def test_a_refresh_does_not_wait_for_fifty_concurrent_log_ins(service: RunningService) -> None:
    """Queued log-ins have their own threads, so that two threads are enough for a refresh."""
    assert service.send("POST", "/auth/users/", document=CREDENTIALS).status == 201
    tokens = service.send("POST", "/auth/jwt/create/", document=CREDENTIALS).body
    with ThreadPoolExecutor(LOG_INS) as pool:
        logins = [
            pool.submit(service.send, "POST", "/auth/jwt/create/", document=CREDENTIALS) for _ in range(LOG_INS)
        ]
        wait(logins, return_when=FIRST_COMPLETED)
        refreshed = service.send("POST", "/auth/jwt/refresh/", document={"refresh": tokens["refresh"]})
        waiting = sum(not login.done() for login in logins)
    assert refreshed.status == 200
    assert waiting > 0, "the refresh waited for all log-ins"
    assert Counter(login.result().status for login in logins) == {200: LOG_INS}


def test_queued_log_ins_have_threads_in_addition_to_auth_threads(environ: dict[str, str]) -> None:
    settings = load(AuthSettings, environ | {"AUTH_THREADS": "5", "HASH_CONCURRENCY": "3", "HASH_QUEUE": "40"})
    assert settings.all_threads == 5 + 3 + 40
