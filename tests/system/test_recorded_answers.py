"""A client written for djoser works unmodified through the gateway: the responses are those recorded from djoser."""

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import pytest
import requests

from tests.auth_service.djoser_replay import NOT_REPLAYED, Answer, Replay, recorded_rows
from tests.auth_service.forge import Forge
from tests.system.support.running_stack import RunningStack


@dataclass(slots=True)
class BehindTheGateway:
    """Send the recorded requests to a running stack, and change its users between requests as the recording did."""

    stack: RunningStack
    forge: Forge

    def now(self) -> float:
        return time.time()

    def deactivate(self, email: str) -> None:
        self._set_status(email, "barred")

    def activate(self, email: str) -> None:
        self._set_status(email, "active")

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = requests.request(
            method, self.stack.url + url, headers=dict(headers), data=body, allow_redirects=False, timeout=30
        )
        return answer.status_code, dict(answer.headers), answer.content

    def _set_status(self, email: str, status: str) -> None:
        with closing(sqlite3.connect(self.stack.data_dir / "auth.db")) as connection, connection:
            changed = connection.execute("UPDATE users SET status = ? WHERE email = ?", (status, email))
            assert changed.rowcount == 1


@pytest.fixture
def world(strict_stack: RunningStack) -> BehindTheGateway:
    signing_pem = (strict_stack.data_dir / "signing.pem").read_text()
    refresh_secret = (strict_stack.data_dir / "refresh.secret").read_text()
    return BehindTheGateway(strict_stack, Forge(signing_pem, refresh_secret))


def test_every_recorded_response_that_needs_no_mail_is_the_same_through_the_gateway(world: BehindTheGateway) -> None:
    """In strict mode, as djoser was when recorded. tests/auth_service/djoser_replay.py lists the deviations."""
    replay = Replay(world.send, world)
    replayed = [row for row in recorded_rows() if row.case not in NOT_REPLAYED]
    assert [problem for row in replayed for problem in replay.send_row(row)] == []
