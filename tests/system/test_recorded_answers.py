"""A client written for djoser works unmodified through the gateway: the responses are those recorded from djoser."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import requests

from auth_service.accounts.mail_tokens import MailTokens, Purpose
from auth_service.accounts.user import AccountStatus, User
from tests.auth_service.djoser.recordings import ACTIVATION, DEFAULTS, RETYPED, Recording
from tests.auth_service.djoser.replay import Answer, Replay
from tests.auth_service.forge import Forge
from tests.auth_service.mail_links import Link, mint
from tests.system.support.running_stack import RunningStack, run_stack


@dataclass(slots=True)
class BehindTheGateway:
    """Send the recorded requests to a running stack, and change its users between requests as the recording did."""

    stack: RunningStack
    forge: Forge
    mail_tokens: MailTokens

    def now(self) -> float:
        return time.time()

    def deactivate(self, email: str) -> None:
        self._set_status(email, AccountStatus.BARRED)

    def activate(self, email: str) -> None:
        self._set_status(email, AccountStatus.ACTIVE)

    def link(self, purpose: Purpose, email: str) -> Link:
        columns = "id, status, password_changed_at, email_changed_at"
        with self._database() as connection:
            user_id, status, password_changed_at, email_changed_at = connection.execute(
                f"SELECT {columns} FROM users WHERE email = ?", (email,)
            ).fetchone()
        times = {"password_changed_at": password_changed_at, "email_changed_at": email_changed_at}
        user = User(UUID(user_id), email, "", "", "", AccountStatus(status), "", **times)
        return mint(self.mail_tokens, purpose, user, time.time())

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = requests.request(
            method, self.stack.url + url, headers=dict(headers), data=body, allow_redirects=False, timeout=30
        )
        return answer.status_code, dict(answer.headers), answer.content

    def _set_status(self, email: str, status: AccountStatus) -> None:
        with self._database() as connection:
            changed = connection.execute("UPDATE users SET status = ? WHERE email = ?", (status.value, email))
            assert changed.rowcount == 1

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.stack.data_dir / "auth.db")) as connection, connection:
            yield connection


def differences(stack: RunningStack, recording: Recording) -> list[str]:
    """Replay a recording. Return the differences between the responses of the stack and the recording."""
    refresh_secret = (stack.data_dir / "refresh.secret").read_text()
    world = BehindTheGateway(
        stack,
        Forge((stack.data_dir / "signing.pem").read_text(), refresh_secret),
        MailTokens(lambda: [refresh_secret.strip()], 3_600),
    )
    return Replay(world.send, world, recording).differences()


def test_every_response_is_as_recorded_with_the_defaults(strict_stack: RunningStack) -> None:
    """In strict mode, as djoser was when recorded. tests/auth_service/djoser/comparison.py lists the deviations."""
    assert differences(strict_stack, DEFAULTS) == []


def test_every_response_is_as_recorded_with_activation_mails(activation_stack: RunningStack) -> None:
    assert differences(activation_stack, ACTIVATION) == []


def test_every_response_is_as_recorded_with_passwords_and_addresses_typed_twice(databases: Path) -> None:
    with run_stack(databases, AUTH_WORKERS="1", GATEWAY_WORKERS="1", **RETYPED.settings) as stack:
        assert differences(stack, RETYPED) == []
