"""One command creates the secrets that docker-compose.yml mounts."""

import stat
from pathlib import Path

import pytest

from auth_service.settings import AuthSettings
from chassis.settings import load
from stack.deployment_secrets import make_deployment_secrets
from stack.plan import ROOT
from tests.stack.test_compose import compose_secret_files


def test_every_file_that_compose_mounts_is_created(tmp_path: Path) -> None:
    created = make_deployment_secrets(tmp_path / "secrets")
    assert set(created) == compose_secret_files()
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    make_deployment_secrets(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert make_deployment_secrets(tmp_path) == ()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_missing_file_is_created_to_match_the_others(tmp_path: Path) -> None:
    make_deployment_secrets(tmp_path)
    url = (tmp_path / "auth.database_url").read_text()
    (tmp_path / "auth.database_url").unlink()
    assert make_deployment_secrets(tmp_path) == ("auth.database_url",)
    assert (tmp_path / "auth.database_url").read_text() == url


def test_the_auth_service_accepts_the_created_secrets_in_production(tmp_path: Path) -> None:
    make_deployment_secrets(tmp_path)
    environ = {
        "APP_ENV": "production",
        "MAIL_WITHOUT_SMTP": "folder",
        "REDIS_URL": "redis://redis",
        "DATABASE_URL_FILE": str(tmp_path / "auth.database_url"),
        "SIGNING_KEY_FILE": str(tmp_path / "signing.pem"),
        "REFRESH_SECRET_FILE": str(tmp_path / "refresh.secret"),
        "PEER_SECRET_FILE": str(tmp_path / "peer.secret"),
    }
    settings = load(AuthSettings, environ)
    assert "postgresql+psycopg://auth:" in settings.database_url.get_secret_value()


@pytest.mark.parametrize("document", ["docker-compose.yml", ".env.example"])
def test_the_files_that_need_the_secrets_name_the_command(document: str) -> None:
    assert "make secrets" in (ROOT / document).read_text()
