"""The running service while Redis or the database is down, and its recovery.

The processes and faults are real: a Valkey that hangs, dies and restarts empty; a full disk; a missing database file.
"""

import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.internal_api import END_PATH, EXCHANGE_PATH, SESSIONS_PATH
from contract.peer_token import PEER_HEADER, sign_peer
from contract.revocation import EPOCH, STREAM
from tests.auth_service.conftest import environ_for
from tests.auth_service.forge import claims_of
from tests.auth_service.gateway_calls import hash_of
from tests.auth_service.running_service import Answer, RunningService, Valkey, running_service, wait_until
from tests.auth_service.world import PASSWORD, PEER_SECRET

pytestmark = pytest.mark.system

# A used token is refused at once, so that no test waits for a grace time.
STRICT = {"REFRESH_GRACE": "0", "REFRESH_CONFIRM": "off"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="auth-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def valkey_process(folder: Path) -> Iterator[Valkey]:
    valkey = Valkey(folder)
    valkey.start()
    yield valkey
    valkey.kill()


@pytest.fixture(scope="module")
def service(folder: Path, valkey_process: Valkey, signing_pem: str) -> Iterator[RunningService]:
    environ = environ_for(folder / "auth.db", valkey_process.url, signing_pem) | STRICT
    with running_service(folder, environ) as service:
        yield service


@dataclass
class Visitor:
    """A client of the running service."""

    service: RunningService
    email: str = field(default_factory=lambda: f"v{time.monotonic_ns()}@example.org")
    access: str = ""
    refresh: str = ""

    def register(self) -> Answer:
        return self.post("/auth/users/", email=self.email, password=PASSWORD)

    def log_in(self) -> Answer:
        return self.keep(self.post("/auth/jwt/create/", email=self.email, password=PASSWORD))

    def refresh_tokens(self) -> Answer:
        return self.keep(self.post("/auth/jwt/refresh/", refresh=self.refresh))

    def log_out(self) -> Answer:
        return self.post("/auth/logout/")

    def me(self) -> Answer:
        return self.service.send("GET", "/auth/users/me/", {"Authorization": f"Bearer {self.access}"})

    def post(self, path: str, **members: str) -> Answer:
        headers = {"Authorization": f"Bearer {self.access}"} if self.access else {}
        return self.service.send("POST", path, headers, members)

    def keep(self, answer: Answer) -> Answer:
        if answer.status == 200:
            self.access, self.refresh = answer.body["access"], answer.body["refresh"]
        return answer

    @property
    def sid(self) -> str:
        return str(claims_of(self.access)["sid"])


def call_as_gateway(service: RunningService, path: str, **members: str) -> Answer:
    return service.send("POST", path, {PEER_HEADER: sign_peer(PEER_SECRET, now=time.time())}, members)


@pytest.fixture
def visitor(service: RunningService) -> Visitor:
    visitor = Visitor(service)
    assert visitor.register().status == 201
    assert visitor.log_in().status == 200
    return visitor


def published(valkey: Valkey) -> list[str]:
    with valkey.client() as client:
        entries = client.xrange(STREAM)
        assert isinstance(entries, list)
        return [str((fields or {}).get("value")) for _, fields in entries]


def assert_sessions_work_without_redis(visitor: Visitor) -> None:
    """Check that log-in, refresh, replay, log-out and browser sessions work with SQL alone, without long waits."""
    used = visitor.refresh
    began_at = time.monotonic()
    assert [visitor.refresh_tokens().status for _ in range(10)] == [200] * 10
    assert visitor.me().status == 200
    leaver = Visitor(visitor.service, visitor.email)
    assert leaver.log_in().status == 200
    assert leaver.log_out().status == 204
    assert leaver.refresh_tokens().status == 401
    handle = hash_of(leaver.sid)
    login = {"email": visitor.email, "password": PASSWORD, "handle_hash": handle}
    assert call_as_gateway(visitor.service, SESSIONS_PATH, **login).status == 200
    assert call_as_gateway(visitor.service, EXCHANGE_PATH, handle_hash=handle).status == 200
    assert call_as_gateway(visitor.service, END_PATH, handle_hash=handle).status == 204
    assert call_as_gateway(visitor.service, EXCHANGE_PATH, handle_hash=handle).status == 404
    # About twenty requests. They would take far longer if each waited for Redis until its timeouts.
    assert time.monotonic() - began_at < 4
    assert visitor.post("/auth/jwt/refresh/", refresh=used).status == 401
    assert visitor.refresh_tokens().status == 401


def test_while_redis_hangs_requests_succeed_and_revocations_are_published_afterwards(
    visitor: Visitor, valkey_process: Valkey
) -> None:
    sid = visitor.sid
    valkey_process.suspend()
    try:
        assert_sessions_work_without_redis(visitor)
        assert visitor.service.send("GET", "/readyz").status == 200
    finally:
        valkey_process.resume()
    wait_until(lambda: sid in published(valkey_process))


def test_while_redis_is_down_requests_succeed_and_an_empty_redis_gets_all_revocations(
    visitor: Visitor, valkey_process: Valkey
) -> None:
    """No ended session becomes valid."""
    ended_before = Visitor(visitor.service, visitor.email)
    ended_before.log_in()
    ended_before.log_out()
    sid = visitor.sid
    valkey_process.kill()
    try:
        assert_sessions_work_without_redis(visitor)
    finally:
        valkey_process.start()
    wait_until(lambda: {sid, ended_before.sid} <= set(published(valkey_process)))
    assert ended_before.refresh_tokens().status == 401
    assert ended_before.me().status == 401
    assert visitor.refresh_tokens().status == 401


def test_after_flushall_used_and_ended_tokens_stay_refused(visitor: Visitor, valkey_process: Valkey) -> None:
    """The revocations are published again within three seconds."""
    replayed, ended = Visitor(visitor.service, visitor.email), Visitor(visitor.service, visitor.email)
    for somebody in (replayed, ended):
        somebody.log_in()
    used = replayed.refresh
    replayed.refresh_tokens()
    ended.log_out()
    with valkey_process.client() as client:
        client.flushall()
    assert visitor.post("/auth/jwt/refresh/", refresh=used).status == 401
    assert replayed.refresh_tokens().status == 401
    assert ended.refresh_tokens().status == 401
    assert visitor.refresh_tokens().status == 200
    wait_until(lambda: {ended.sid, replayed.sid} <= set(published(valkey_process)), 3)
    with valkey_process.client() as client:
        assert client.exists(EPOCH)


@contextmanager
def full_disk(service: RunningService) -> Iterator[None]:
    """Make every write to a file fail in the workers."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in service.workers()}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.body["code"] == "store_unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def test_on_a_full_disk_no_token_is_issued_and_sessions_stay_as_they_were(visitor: Visitor, folder: Path) -> None:
    with full_disk(visitor.service):
        for _ in range(4):  # so that both workers get requests
            assert_unavailable(visitor.refresh_tokens())
            assert_unavailable(visitor.log_in())
            assert_unavailable(visitor.log_out())
            login = {"email": visitor.email, "password": PASSWORD, "handle_hash": hash_of("full")}
            assert_unavailable(call_as_gateway(visitor.service, SESSIONS_PATH, **login))
        assert visitor.me().status == 200  # reading works on a full disk
    with sqlite3.connect(folder / "auth.db") as connection:
        generations = connection.execute("SELECT generation FROM sessions WHERE id = ?", [visitor.sid]).fetchall()
    assert generations == [(0,)]
    assert visitor.refresh_tokens().status == 200


def test_a_database_that_comes_back_is_used_again(visitor: Visitor, folder: Path) -> None:
    """Meanwhile every response is 503, never 401. The service needs no restart."""
    handle = hash_of("gone")
    login = {"email": visitor.email, "password": PASSWORD, "handle_hash": handle}
    assert call_as_gateway(visitor.service, SESSIONS_PATH, **login).status == 200
    away = folder / "away"
    away.mkdir()
    for part in folder.glob("auth.db*"):
        part.rename(away / part.name)
    try:
        for _ in range(10):
            assert_unavailable(visitor.refresh_tokens())
            assert_unavailable(visitor.me())
            assert_unavailable(visitor.log_in())
            assert_unavailable(call_as_gateway(visitor.service, EXCHANGE_PATH, handle_hash=handle))
    finally:
        for part in folder.glob("auth.db*"):
            part.unlink()
        for part in away.iterdir():
            part.rename(folder / part.name)
    for _ in range(10):
        assert visitor.me().status == 200
        assert visitor.refresh_tokens().status == 200
        assert call_as_gateway(visitor.service, EXCHANGE_PATH, handle_hash=handle).status == 200


def test_the_log_has_the_events_of_a_session_and_no_token(visitor: Visitor) -> None:
    """Each line is a JSON object with a request id. No password or unknown account name is logged."""
    used = visitor.refresh
    visitor.post("/auth/jwt/create/", email=visitor.email, password="wrong")
    visitor.post("/auth/jwt/create/", email="nobody-has-this@example.org", password="wrong")
    visitor.refresh_tokens()
    visitor.post("/auth/jwt/refresh/", refresh=used)
    own = [line for line in visitor.service.lines() if line.get("sid") == visitor.sid]
    assert [line["event"] for line in own] == ["login_ok", "refresh", "replay_detected"]
    assert own[1]["decision"] == "rotate"
    assert all(line["request_id"] and line["time"] and line["service"] == "auth_service" for line in own)
    log = visitor.service.log.read_text()
    assert "login_failed" in log
    for secret in (used, visitor.access, visitor.refresh, "nobody-has-this", PASSWORD):
        assert secret.rsplit(".", 1)[-1] not in log
