"""The service with a receiver of webhooks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from auth_service.services import Services, services
from tests.auth_service.conftest import MakeApp
from tests.auth_service.webhooks.receiver import SECRET, Receiver, running_receiver
from tests.auth_service.world import Person


def endpoint_toml(url: str, name: str = "crm", secrets: tuple[str, ...] = (SECRET,), events: str = '["*"]') -> str:
    """Return the entry of an endpoint in WEBHOOKS."""
    listed = ", ".join(f'"{secret}"' for secret in secrets)
    return f'[endpoints.{name}]\nurl = "{url}"\nsecrets = [{listed}]\nevents = {events}\n'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver(Receiver()) as running:
        yield running


@pytest.fixture
def webhooks_file(tmp_path: Path, receiver: Receiver) -> Path:
    """The file of WEBHOOKS with one endpoint, which gets every message."""
    file = tmp_path / "webhooks.toml"
    file.write_text(endpoint_toml(receiver.url), encoding="utf-8")
    return file


@pytest.fixture
def app(make_app: MakeApp, webhooks_file: Path) -> Flask:
    """The service, which sends webhooks to the receiver."""
    return make_app(WEBHOOKS_FILE=str(webhooks_file))


@pytest.fixture
def sending(app: Flask) -> Iterator[Services]:
    """The services, in an application context, for tests that run the job."""
    with app.app_context():
        yield services()


@pytest.fixture
def quiet_ann(app: Flask) -> Person:
    """A user who has not registered yet."""
    return Person(app.test_client())
