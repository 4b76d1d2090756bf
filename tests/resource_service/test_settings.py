"""With an invalid setting the service does not start, and the error names the variable."""

from pathlib import Path

import pytest

from chassis.settings import SettingsError, load
from resource_service.settings import ResourceSettings, ServingSettings
from tests.resource_service.callers import SECRET

VALID = {"DATABASE_URL": "sqlite:////tmp/notes.db", "IDENTITY_SECRET": SECRET}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"IDENTITY_SECRET": ""}, "IDENTITY_SECRET is missing"),
        ({"IDENTITY_SECRET": SECRET[:31]}, "IDENTITY_SECRET is shorter than 32 bytes"),
        ({"IDENTITY_SECRET": "changeme" * 8}, "IDENTITY_SECRET is an example or a pattern, not a random value"),
        ({"IDENTITY_SECRET": "-----BEGIN PUBLIC KEY-----\nAA\n"}, "IDENTITY_SECRET is not a readable public key"),
        ({"IDENTITY_SECRET_FILE": "elsewhere"}, "IDENTITY_SECRET and IDENTITY_SECRET_FILE are both set: keep one"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is missing"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL must be a sqlite: or postgresql: URL"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is not a database URL"),
    ],
)
def test_a_missing_or_invalid_setting_is_named_without_its_value(changes: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(ResourceSettings, {**VALID, **changes})
    assert str(error.value) == message


def test_all_missing_settings_are_named_in_one_error() -> None:
    with pytest.raises(SettingsError) as error:
        load(ResourceSettings, {})
    assert set(str(error.value).splitlines()) == {"DATABASE_URL is missing", "IDENTITY_SECRET is missing"}


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "notes.secret"
    file.write_text(f"{SECRET}\n")
    settings = load(ResourceSettings, {"DATABASE_URL": VALID["DATABASE_URL"], "IDENTITY_SECRET_FILE": str(file)})
    assert settings.identity_secret.get_secret_value() == SECRET


def test_the_settings_show_no_secret() -> None:
    settings = load(ResourceSettings, {**VALID, "DATABASE_URL": "postgres://notes:hidden-word@db/notes"})
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://notes:hidden-word@db/notes"
    assert SECRET not in repr(settings)
    assert "hidden-word" not in repr(settings)


@pytest.mark.parametrize("value", ["0", "-1", "257", "many"])
def test_workers_and_threads_must_be_between_1_and_256(value: str) -> None:
    with pytest.raises(SettingsError, match="RESOURCE_WORKERS"):
        load(ServingSettings, {"RESOURCE_WORKERS": value})
    with pytest.raises(SettingsError, match="RESOURCE_THREADS"):
        load(ResourceSettings, {**VALID, "RESOURCE_THREADS": value})
