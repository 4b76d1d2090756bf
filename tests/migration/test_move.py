"""A Django project with djoser moves: its clients keep their tokens, and its users their passwords."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stack.plan import ROOT
from tests.auth_service.forge import claims_of
from tests.migration.django_server import PASSWORD, SECRET, DjangoProject
from tests.system.support.running_stack import Client, RunningStack, Tokens, run_stack

pytestmark = pytest.mark.timeout(300)  # several servers start

HASHERS = ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt", "bcrypt_sha256", "scrypt")

CREATE_USERS = f"""
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
for hasher in {HASHERS}:
    password = make_password({PASSWORD!r}, None, hasher)
    User.objects.create(username=hasher, email=hasher + "@example.org", password=password)
"""


@dataclass
class Move:
    """The clients of the project, who got their tokens from its own server, and the stack that they now use."""

    project: DjangoProject
    stack: RunningStack
    tokens: dict[str, Tokens] = field(default_factory=dict)

    def import_users(self, *words: str) -> dict[str, Any]:
        """Run the import on the running stack, and return the report."""
        command = [sys.executable, "-m", "stack", "auth", "import-users", "django", "--json", *words]
        environ = {**self.stack.environ, "IMPORT_DATABASE_URL": self.project.database}
        done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report


def log_in(client: Client, name: str) -> Tokens:
    """Log in at a server of djoser's API."""
    names = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    response = client.send("POST", "/auth/jwt/create/", json=names)
    assert response.status_code == 200, response.text
    return Tokens(response.json()["access"], response.json()["refresh"])


@pytest.fixture
def move(project_database: str, tmp_path: Path) -> Iterator[Move]:
    project = DjangoProject(project_database)
    project.create_tables()
    project.run(CREATE_USERS)
    with project.serving(tmp_path) as django:
        tokens = {name: log_in(django, name) for name in HASHERS}
        tokens["rotated"] = tokens["pbkdf2_sha256"]
        tokens["pbkdf2_sha256"] = django.refresh(tokens["rotated"])
        tokens["second device"] = log_in(django, "argon2")
    with run_stack(SIMPLEJWT_SECRET=SECRET, SIMPLEJWT_UNTIL="2099-01-01") as stack:
        yield Move(project, stack, tokens)


def test_every_client_goes_on_working(move: Move) -> None:
    report = move.import_users()
    assert (report["imported"], report["skipped"], report["used_tokens"]) == (len(HASHERS), 0, 1)

    for name in HASHERS:
        tokens, email = move.tokens[name], f"{name}@example.org"
        # The access token is good at the auth service and at a service behind the gateway.
        me = move.stack.send("GET", "/auth/users/me/", tokens.access)
        assert (me.status_code, me.json()["email"]) == (200, email)
        note = move.stack.send("POST", "/api/notes/", tokens.access, json={"title": "moved", "text": name})
        assert note.status_code == 201, note.text
        # The refresh token becomes a session, which goes on with our tokens.
        ours = move.stack.refresh(tokens)
        assert claims_of(ours.access)["email"] == email
        again = move.stack.refresh(ours)
        listed = move.stack.send("GET", "/api/notes/", again.access)
        assert [each["title"] for each in listed.json()["results"]] == ["moved"]
        # The password logs in twice: with the old hash, and with the new one.
        for _ in range(2):
            log_in(move.stack, name)
    assert move.stack.try_refresh(move.tokens["rotated"].refresh).status_code == 401


def test_parallel_refreshes_get_one_session(move: Move) -> None:
    move.import_users()
    token = move.tokens["scrypt"].refresh
    with ThreadPoolExecutor(20) as threads:
        responses = list(threads.map(move.stack.try_refresh, [token] * 20))

    assert [response.status_code for response in responses] == [200] * 20
    claims = [claims_of(response.json()["refresh"]) for response in responses]
    assert len({each["sid"] for each in claims}) == 1
    assert len({each["jti"] for each in claims}) == 1


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Return when the condition is true; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_log_out_everywhere_ends_the_old_tokens_of_other_devices(move: Move) -> None:
    move.import_users()
    first, second = move.tokens["argon2"], move.tokens["second device"]
    for tokens in (first, second):
        assert move.stack.send("GET", "/api/notes/", tokens.access).status_code == 200

    ours = log_in(move.stack, "argon2")
    assert move.stack.send("POST", "/auth/sessions/logout-all/", ours.access).status_code in (200, 204)

    for tokens in (first, second):
        assert move.stack.try_refresh(tokens.refresh).status_code == 401
        wait_until(lambda: move.stack.send("GET", "/api/notes/", tokens.access).status_code == 401)  # noqa: B023


def test_a_log_out_with_the_old_token_ends_it(move: Move) -> None:
    move.import_users()
    token = move.tokens["bcrypt"].refresh

    assert move.stack.send("POST", "/auth/jwt/blacklist/", json={"refresh": token}).status_code == 200

    assert move.stack.try_refresh(token).json()["detail"] == "Token is blacklisted"


def test_a_gateway_without_the_secret_refuses_forged_tokens(move: Move) -> None:
    move.import_users()
    head, _, signature = move.tokens["scrypt"].access.rpartition(".")
    forged = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"

    response = move.stack.send("GET", "/api/notes/", forged)

    assert (response.status_code, response.json()["code"]) == (401, "token_invalid")
    # make run keeps the secret from every process but the auth service.
    for service in ("gateway", "resource_service"):
        for pid in move.stack.pids(service):
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            assert SECRET.encode() not in environ


def test_a_client_of_a_project_without_rotation_goes_on_working(project_database: str, tmp_path: Path) -> None:
    project = DjangoProject(project_database, rotates=False)
    project.create_tables()
    project.run(CREATE_USERS)
    with project.serving(tmp_path) as django:
        tokens = log_in(django, "scrypt")
    with run_stack(SIMPLEJWT_SECRET=SECRET, SIMPLEJWT_UNTIL="2099-01-01") as stack:
        Move(project, stack).import_users()
        for _ in range(5):  # it reads `access` only, and presents the same refresh token again
            access = stack.try_refresh(tokens.refresh).json()["access"]
            assert stack.send("GET", "/api/notes/", access).status_code == 200
