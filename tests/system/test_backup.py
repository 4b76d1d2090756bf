"""The commands of docs/backup.md: a system is dumped while clients use it, and its sessions go on in another one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.auth_service.running_service import wait_until
from tests.docs.code_blocks import code_blocks
from tests.postgres import find_program, running_postgres
from tests.system.support.running_stack import Account, Client, RunningStack, Tokens, run_stack

BLOCKS = [code for _, code in code_blocks("docs/backup.md", "sh")]
COPY_SQLITE = BLOCKS[0]
COPY_SECRETS = BLOCKS[0].splitlines()[-1]
DUMP_POSTGRESQL = next(code for code in BLOCKS if code.startswith("pg_dump"))
RESTORE_POSTGRESQL = next(code for code in BLOCKS if code.startswith("pg_restore"))
*RESTORE_FILES, START = next(code for code in BLOCKS if code.rstrip().endswith("make run")).splitlines()

COOKIE = "__Host-session"
SETTINGS = {"AUTH_WORKERS": "1", "GATEWAY_WORKERS": "1", "REFRESH_GRACE": "0"}
"""Without a grace time, a used token is refused as soon as its successor was used."""


@dataclass(slots=True)
class RefreshingClient:
    """A client that refreshes in a thread until it is stopped, as an app in use does."""

    client: Client
    tokens: Tokens
    refreshes: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Refresh until `stopping` is set. A failed refresh ends the thread with an exception."""
        while not self.stopping.wait(0.02):
            self.tokens = self.client.refresh(self.tokens)
            self.refreshes += 1


@contextmanager
def refreshing(client: RefreshingClient) -> Iterator[None]:
    thread = threading.Thread(target=client.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        client.stopping.set()
        thread.join(30)


@dataclass(slots=True)
class Users:
    """What clients hold before the dump, and what they must get after the restore."""

    account: Account
    idle: Tokens
    used: Tokens
    successor: Tokens
    logged_out: Tokens
    api_cookie: str
    page_cookie: str
    note: str

    @classmethod
    def of(cls, client: Client) -> "Users":
        """Register a user and open the sessions."""
        account = client.register()
        idle, used, logged_out = (client.login(account) for _ in range(3))
        successor = client.refresh(client.refresh(used))
        assert client.send("POST", "/auth/logout/", logged_out.access).status_code == 204
        note = client.add_note(idle.access, "kept")
        return cls(
            account,
            idle,
            used,
            successor,
            logged_out,
            api_cookie(client, account),
            page_cookie(client, account),
            note,
        )

    def check_restored(self, client: Client) -> None:
        """Check that every session is what it was at the time of the dump."""
        assert client.whoami(self.idle.access).json()["email"] == self.account.email
        assert client.send("GET", self.note, self.idle.access).json()["title"] == "kept"
        assert client.whoami(client.refresh(self.idle).access).status_code == 200
        assert with_cookie(client, "/api/whoami", self.api_cookie) == 200
        assert with_cookie(client, "/auth/account/", self.page_cookie) == 200
        # The revocations are published again from SQL within a second, because Redis is empty.
        wait_until(lambda: client.whoami(self.logged_out.access).status_code == 401, seconds=2)
        assert client.try_refresh(self.logged_out.refresh).status_code == 401
        assert client.refresh(self.successor)
        assert client.try_refresh(self.used.refresh).status_code == 401


def api_cookie(client: Client, account: Account) -> str:
    """Log in as a page does, and return the value of the session cookie."""
    headers = {"X-Requested-With": "tests", "Sec-Fetch-Site": "same-origin"}
    credentials = {"email": account.email, "password": account.password}
    response = client.send("POST", "/session/", headers=headers, json=credentials)
    return _taken_cookie(client, response.cookies.get(COOKIE))


def page_cookie(client: Client, account: Account) -> str:
    """Log in by the form of the hosted page, and return the value of the session cookie."""
    form = {"email": account.email, "password": account.password}
    headers = {"Sec-Fetch-Site": "same-origin"}
    response = client.send("POST", "/auth/login/", headers=headers, data=form, allow_redirects=False)
    return _taken_cookie(client, response.cookies.get(COOKIE))


def _taken_cookie(client: Client, value: str | None) -> str:
    assert value
    client.http.cookies.clear()  # the client would send it with its bearer tokens
    return value


def with_cookie(client: Client, path: str, value: str) -> int:
    headers = {"Cookie": f"{COOKIE}={value}"}
    return client.send("GET", path, headers=headers, allow_redirects=False).status_code


def run_commands(commands: str, folder: Path, stack_data: Path, **environ: str) -> None:
    """Run commands of the page in `folder`, where `.data` is the data folder of a stack."""
    commands = commands.replace(".venv/bin/python", sys.executable).replace(".data", str(stack_data))
    subprocess.run(["bash", "-euc", commands], cwd=folder, env=os.environ | environ, check=True, timeout=60)


@contextmanager
def used_system(folder: Path, dump: str, databases: Path | None, **settings: str) -> Iterator[tuple[Users, Tokens]]:
    """Yield the users of a system that was dumped while they used it, and went on after the dump until it ended."""
    with run_stack(databases, **SETTINGS, **settings) as stack:
        users = Users.of(stack)
        busy = RefreshingClient(Client(stack.url), stack.login(users.account))
        with refreshing(busy):
            _wait_for_refreshes(busy, 3)
            run_commands(dump, folder, stack.data_dir, **settings)
            _wait_for_refreshes(busy, busy.refreshes + 3)
    yield users, busy.tokens


def _wait_for_refreshes(client: RefreshingClient, number: int) -> None:
    deadline = time.monotonic() + 30
    while client.refreshes < number:
        assert time.monotonic() < deadline, "the client does not refresh"
        time.sleep(0.02)


def restored_settings() -> dict[str, str]:
    """Return the settings of the page's command that starts the restored system, with the present time."""
    assignment, _, command = START.partition(" ")
    name, _, _ = assignment.partition("=")
    assert command == "make run"
    return {name: datetime.now(UTC).isoformat()}


def check_restored(stack: RunningStack, users: Users, busy: Tokens) -> None:
    users.check_restored(stack)
    assert stack.whoami(busy.access).status_code == 200
    assert stack.whoami(stack.refresh(busy).access).status_code == 200


def test_a_dump_of_sqlite_is_restored_in_another_folder(databases: Path, tmp_path: Path) -> None:
    with used_system(tmp_path, COPY_SQLITE, databases) as (users, busy):
        new_data = tmp_path / "new"
        run_commands("\n".join(RESTORE_FILES), tmp_path, new_data)
        with run_stack(DATA_DIR=str(new_data), **SETTINGS, **restored_settings()) as restored:
            check_restored(restored, users, busy)


@pytest.mark.skipif(not find_program("postgres") or not find_program("pg_dump"), reason="PostgreSQL is not installed")
def test_a_dump_of_postgresql_is_restored_in_another_server(tmp_path: Path) -> None:
    dump = f"umask 077 && mkdir -p backup\n{DUMP_POSTGRESQL}\n{COPY_SECRETS}"
    with (
        running_postgres() as former,
        running_postgres() as new,
        used_system(tmp_path, dump, None, DATABASE_URL=former.url) as (users, busy),
    ):
        new_data = tmp_path / "new"
        new_data.mkdir(mode=0o700)
        run_commands(RESTORE_FILES[-1], tmp_path, new_data)
        run_commands(RESTORE_POSTGRESQL, tmp_path, new_data, DATABASE_URL=new.url)
        settings = SETTINGS | restored_settings() | {"DATABASE_URL": new.url}
        with run_stack(DATA_DIR=str(new_data), **settings) as restored:
            check_restored(restored, users, busy)
