"""The settings have their documented defaults, and the service does not start with invalid values."""

from pathlib import Path

import pytest

from auth_service.app import create_app
from auth_service.settings import AuthSettings
from chassis.settings import SettingsError, load


def error_text(environ: dict[str, str], **more: str) -> str:
    with pytest.raises(SettingsError) as error:
        load(AuthSettings, environ | more)
    return str(error.value)


def test_the_defaults_are_the_documented_ones(environ: dict[str, str]) -> None:
    for cost in ("ARGON2_TIME_COST", "ARGON2_MEMORY_COST"):
        del environ[cost]
    settings = load(AuthSettings, environ)
    assert (settings.access_token_lifetime, settings.refresh_token_lifetime) == (300, 180 * 86_400)
    assert settings.session_lifetime == 365 * 86_400
    assert (settings.refresh_grace, settings.refresh_confirm) == (10, True)
    assert (settings.argon2_time_cost, settings.argon2_memory_cost) == (2, 19_456)
    assert (settings.page_size, settings.password_min_length) == (None, 8)
    assert (settings.token_issuer, settings.access_audience) == ("sallyport", "sallyport-api")


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "SIGNING_KEY", "REFRESH_SECRET", "PEER_SECRET"])
def test_a_required_setting_that_is_missing_is_reported_by_name(environ: dict[str, str], name: str) -> None:
    assert error_text(environ, **{name: ""}) == f"{name} is missing"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REFRESH_SECRET", "short", "REFRESH_SECRET is shorter than 32 bytes"),
        ("REFRESH_SECRET", "changeme" * 8, "REFRESH_SECRET is an example"),
        ("PEER_SECRET", "a" * 64, "PEER_SECRET is an example or a pattern"),
        ("SIGNING_KEY", "no key", "SIGNING_KEY is not a readable private key"),
        ("PREVIOUS_SIGNING_KEY", "no key", "PREVIOUS_SIGNING_KEY is not a readable key"),
        ("DATABASE_URL", "mysql://root:hunter2hunter2@db/x", "DATABASE_URL must be a sqlite: or postgresql: URL"),
        ("REDIS_URL", "http://:hunter2hunter2@redis", "REDIS_URL must be a redis://"),
        ("REFRESH_GRACE", "601", "REFRESH_GRACE"),
        ("REFRESH_GRACE", "-1", "REFRESH_GRACE"),
        ("REFRESH_CONFIRM", "perhaps", "REFRESH_CONFIRM"),
        ("ACCESS_TOKEN_LIFETIME", "0", "ACCESS_TOKEN_LIFETIME"),
        ("PAGE_SIZE", "many", "PAGE_SIZE"),
        ("PASSWORD_MIN_LENGTH", "4", "PASSWORD_MIN_LENGTH"),
    ],
)
def test_an_invalid_value_is_reported_without_showing_it(
    environ: dict[str, str], name: str, value: str, expected: str
) -> None:
    text = error_text(environ, **{name: value})
    assert text.startswith(expected)
    assert "hunter2" not in text


def test_production_refuses_a_hashing_cost_that_is_too_low(environ: dict[str, str]) -> None:
    assert "ARGON2_TIME_COST" in error_text(environ, APP_ENV="production", MAIL_WITHOUT_SMTP="folder")


def test_a_secret_may_come_from_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    for name in ("SIGNING_KEY", "REFRESH_SECRET", "PEER_SECRET"):
        path = tmp_path / name
        path.write_text(environ[name] + "\n")
        environ = environ | {name: "", f"{name}_FILE": str(path)}
    environ["PREVIOUS_SIGNING_KEY_FILE"] = environ["SIGNING_KEY_FILE"]
    settings = load(AuthSettings, environ)
    assert len(settings.key_ring().current().verifying) == 1


def test_settings_do_not_show_their_secrets(environ: dict[str, str]) -> None:
    text = repr(load(AuthSettings, environ))
    for name in ("SIGNING_KEY", "REFRESH_SECRET", "PEER_SECRET", "DATABASE_URL"):
        assert environ[name] not in text


def test_without_settings_the_service_reads_the_environment_or_exits(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (environ | {"PEER_SECRET": "short"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_:
        create_app()
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "cannot start: PEER_SECRET is shorter than 32 bytes\n"


def test_the_gateway_must_not_have_the_secret_of_refresh_tokens(environ: dict[str, str]) -> None:
    shared = f"{environ['PEER_SECRET']}\n{environ['REFRESH_SECRET']}"
    assert "REFRESH_SECRET and PEER_SECRET must be different" in error_text(environ, PEER_SECRET=shared)


def test_two_secrets_are_accepted_and_a_repeated_or_third_one_stops_the_start(environ: dict[str, str]) -> None:
    old, new, third = environ["REFRESH_SECRET"], "0123456789abcdef" * 4, "fedcba9876543210" * 4
    settings = load(AuthSettings, environ | {"REFRESH_SECRET": f"{new}\n{old}"})
    assert settings.refresh_secrets().current() == (new, old)
    assert "the same secret twice" in error_text(environ, REFRESH_SECRET=f"{old}\n{old}")
    assert "contains 3 secrets" in error_text(environ, REFRESH_SECRET=f"{old}\n{new}\n{third}")
    assert "shorter than 32 bytes" in error_text(environ, REFRESH_SECRET=f"{old}\nshort")
    assert "the same secret twice" in error_text(environ, SIGNING_KEY=f"{environ['SIGNING_KEY']}\n" * 2)
