"""The recorded responses of djoser: a client that was written for it works unmodified."""

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
    """An application in this process, its clock and its operator."""

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
        response = self.app.test_client().open(url, method=method, headers=dict(headers), data=body)
        return response.status_code, dict(response.headers), response.data


@pytest.fixture
def world(make_app: MakeApp, forge: Forge, clock: MovableClock) -> ServiceAlone:
    return ServiceAlone(make_app(**STRICT), forge, clock)


def test_every_row_without_mail_is_answered_as_recorded(world: ServiceAlone) -> None:
    """Status, body, Allow and WWW-Authenticate are equal, except for the listed deviations."""
    talk = Conversation(world.send, world)
    played = [row for row in recorded_rows() if row.case not in NOT_PLAYED]
    assert [difference for row in played for difference in talk.play(row)] == []
    assert len(played) == 134


def test_every_deviation_and_exclusion_names_a_recorded_row() -> None:
    cases = {row.case for row in recorded_rows()}
    assert set(DEVIATIONS) | set(NOT_PLAYED) <= cases
    assert not set(DEVIATIONS) & set(NOT_PLAYED)
