"""A client written for the recorded stack works unmodified."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from flask import Flask

from tests.auth_service.conftest import MakeApp
from tests.auth_service.conversation import DEVIATIONS, NOT_PLAYED, Answer, Conversation, recorded_rows
from tests.auth_service.forge import Forge
from tests.auth_service.world import Operator
from tests.clocks import MovableClock

STRICT = {"REFRESH_GRACE": "0", "REFRESH_CONFIRM": "off", "PAGE_SIZE": "20"}


@dataclass
class ServiceAlone:
    """The world around an application in this process."""

    app: Flask
    forge: Forge
    clock: MovableClock

    def now(self) -> float:
        return self.clock()

    def deactivate(self, email: str) -> None:
        Operator(self.app).deactivate(email)

    def activate(self, email: str) -> None:
        Operator(self.app).activate(email)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = self.app.test_client().open(url, method=method, headers=dict(headers), data=body)
        return answer.status_code, dict(answer.headers), answer.data


@pytest.fixture
def world(make_app: MakeApp, forge: Forge, clock: MovableClock) -> ServiceAlone:
    return ServiceAlone(make_app(**STRICT), forge, clock)


def test_every_row_that_needs_no_mail_is_answered_as_recorded(world: ServiceAlone) -> None:
    """Status, body, Allow and challenge, but for the deviations that the contract states."""
    talk = Conversation(world.send, world)
    played = [row for row in recorded_rows() if row.case not in NOT_PLAYED]
    assert [complaint for row in played for complaint in talk.play(row)] == []
    assert len(played) == 134


def test_what_deviates_or_is_left_out_is_a_row_of_the_recording() -> None:
    """No exception outlives the row it was made for."""
    cases = {row.case for row in recorded_rows()}
    assert set(DEVIATIONS) | set(NOT_PLAYED) <= cases
    assert not set(DEVIATIONS) & set(NOT_PLAYED)
