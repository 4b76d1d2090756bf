"""Clients that were written for djoser work without changes: the responses equal recorded ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from flask import Flask

from auth_service.accounts.mail_tokens import Purpose
from tests.auth_service.conftest import MakeApp
from tests.auth_service.djoser.comparison import DEVIATIONS
from tests.auth_service.djoser.recordings import RECORDINGS, Recording
from tests.auth_service.djoser.replay import Answer, Replay
from tests.auth_service.forge import Forge
from tests.auth_service.mail_links import Link
from tests.auth_service.world import Operator
from tests.clocks import MovableClock


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

    def link(self, purpose: Purpose, email: str) -> Link:
        return Operator(self.app).link(purpose, email)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        response = self.app.test_client().open(url, method=method, headers=dict(headers), data=body)
        return response.status_code, dict(response.headers), response.data


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.file)
def test_every_row_is_answered_as_recorded(
    make_app: MakeApp, forge: Forge, clock: MovableClock, recording: Recording
) -> None:
    """Except for DEVIATIONS. The number of rows shows that none is missing."""
    world = ServiceAlone(make_app(**recording.settings), forge, clock)
    assert Replay(world.send, world, recording).differences() == []
    assert len(recording.rows()) == recording.rows_in_file


def test_every_deviation_names_a_recorded_row() -> None:
    assert set(DEVIATIONS) <= {row.case for row in RECORDINGS[0].rows()}
    for recording in RECORDINGS:
        assert {*recording.as_recorded, *recording.statuses} <= {row.case for row in recording.rows()} & set(
            DEVIATIONS
        )
