"""Clients that were written for djoser work without changes: the responses equal recorded ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from flask import Flask

from tests.auth_service.conftest import MakeApp
from tests.auth_service.djoser_replay import DEVIATIONS, NOT_REPLAYED, Answer, Replay, recorded_rows
from tests.auth_service.forge import Forge
from tests.auth_service.world import Operator
from tests.clocks import MovableClock

DJOSER_SETTINGS = {"REFRESH_GRACE": "0", "REFRESH_CONFIRM": "off", "PAGE_SIZE": "20"}


@dataclass
class ServiceAlone:
    """The service in this process, without a gateway: a World for the replay."""

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
    return ServiceAlone(make_app(**DJOSER_SETTINGS), forge, clock)


def test_every_row_without_mail_is_answered_as_recorded(world: ServiceAlone) -> None:
    """Except for the DEVIATIONS of djoser_replay. The number of rows shows that none is skipped by mistake."""
    replay = Replay(world.send, world)
    replayed = [row for row in recorded_rows() if row.case not in NOT_REPLAYED]
    assert [difference for row in replayed for difference in replay.send_row(row)] == []
    assert len(replayed) == 134


def test_every_deviation_and_exclusion_names_a_recorded_row() -> None:
    cases = {row.case for row in recorded_rows()}
    assert set(DEVIATIONS) | set(NOT_REPLAYED) <= cases
    assert not set(DEVIATIONS) & set(NOT_REPLAYED)
