"""A client written for the recorded stack works unmodified, with the gateway in front."""

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import requests

from stack.plan import ROOT, make_plan
from stack.settings import read_settings
from tests.auth_service.conversation import NOT_PLAYED, Answer, Conversation, recorded_rows
from tests.auth_service.forge import Forge
from tests.system.running_stack import RunningStack


@dataclass(frozen=True, slots=True)
class BehindTheGateway:
    """The world around a running stack."""

    stack: RunningStack
    forge: Forge

    def now(self) -> float:
        return time.time()

    def deactivate(self, email: str) -> None:
        self._command("deactivate", email)

    def activate(self, email: str) -> None:
        self._command("activate", email)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = requests.request(
            method, self.stack.url + url, headers=dict(headers), data=body, allow_redirects=False, timeout=30
        )
        return answer.status_code, dict(answer.headers), answer.content

    def _command(self, *words: str) -> None:
        """An operator's command, in the environment of the auth service."""
        (auth,) = (c for c in make_plan(read_settings(self.stack.environ, ROOT)).services if c.name == "auth")
        command = [sys.executable, "-m", "auth_service", *words]
        subprocess.run(command, cwd=ROOT, env=auth.environ, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def world(strict_stack: RunningStack) -> BehindTheGateway:
    signing_pem = (strict_stack.data_dir / "signing.pem").read_text()
    refresh_secret = (strict_stack.data_dir / "refresh.secret").read_text()
    return BehindTheGateway(strict_stack, Forge(signing_pem, refresh_secret))


def test_every_row_that_needs_no_mail_is_answered_as_recorded(world: BehindTheGateway) -> None:
    """In strict mode, as the recorded stack was; but for the deviations that the contract states."""
    talk = Conversation(world.send, world)
    played = [row for row in recorded_rows() if row.case not in NOT_PLAYED]
    assert [complaint for row in played for complaint in talk.play(row)] == []
