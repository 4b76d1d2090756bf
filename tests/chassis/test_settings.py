"""An error names each wrong setting and shows its value, unless it is a secret."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr, ValidationError
from structlog.testing import capture_logs

from chassis.settings import Settings, SettingsError, StrongSecret, load, misspelled
from chassis.startup import settings_or_exit, warn_about_misspelled
from stack.plan import ROOT
from stack.settings import SECRETS

GOOD = "pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"


class Example(Settings):
    """Settings with a required and an optional secret, a key without a required strength, a number and a switch."""

    the_secret: StrongSecret
    old_secret: StrongSecret | None = None
    a_key: SecretStr = SecretStr("")
    port: Annotated[int, Field(ge=1, le=65_535)] = 8_000
    is_on: bool = False


def error_text(**environ: str) -> str:
    """Return the error message for these variables, after checking that it shows no secret."""
    with pytest.raises(SettingsError) as error:
        load(Example, environ)
    message = str(error.value)
    secrets = ("THE_SECRET", "OLD_SECRET", "A_KEY")
    assert not any(value in message for name, value in environ.items() if name in secrets and len(value) > 3)
    return message


def test_set_variables_are_read_and_other_settings_have_defaults() -> None:
    settings = load(Example, {"THE_SECRET": GOOD, "PORT": "9000", "IS_ON": "on", "UNRELATED": "x"})
    assert settings.the_secret.get_secret_value() == GOOD
    assert (settings.port, settings.is_on, settings.log_level, settings.app_env) == (
        9000,
        True,
        "INFO",
        "development",
    )


def test_settings_are_frozen_and_do_not_show_their_secrets() -> None:
    settings = load(Example, {"THE_SECRET": GOOD})
    assert GOOD not in repr(settings) + str(settings)
    with pytest.raises(ValidationError):
        settings.port = 1


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(Example, {"THE_SECRET": GOOD, "PORT": ""}).port == 8_000
    assert error_text(THE_SECRET="") == "THE_SECRET is missing"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "THE_SECRET is missing"),
        ({"THE_SECRET": "tooshort"}, "THE_SECRET is shorter than 32 bytes"),
        ({"THE_SECRET": "changeme" * 8}, "THE_SECRET is an example or a pattern, not a random value"),
        ({"THE_SECRET": "abababab" * 8}, "THE_SECRET is an example or a pattern, not a random value"),
        ({"THE_SECRET": GOOD, "OLD_SECRET": "tooshort"}, "OLD_SECRET is shorter than 32 bytes"),
        ({"THE_SECRET": GOOD, "PORT": "eighty"}, "PORT input should be a valid integer"),
        ({"THE_SECRET": GOOD, "PORT": "65536"}, "PORT input should be less than or equal to 65535"),
        ({"THE_SECRET": GOOD, "IS_ON": "perhaps"}, "IS_ON input should be a valid boolean"),
        ({"THE_SECRET": GOOD, "APP_ENV": "staging"}, "APP_ENV input should be 'development' or 'production'"),
        ({"THE_SECRET": GOOD, "LOG_LEVEL": "debug"}, "LOG_LEVEL input should be"),
    ],
)
def test_each_problem_names_its_variable(environ: dict[str, str], message: str) -> None:
    assert error_text(**environ).startswith(message)


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("IS_ON", "perhaps"), ("LOG_LEVEL", "x" * 101)])
def test_the_first_100_characters_of_a_wrong_value_are_shown(name: str, value: str) -> None:
    (message,) = [line for line in error_text(**{name: value}).splitlines() if line.startswith(name)]
    assert message.endswith(f"; got {value[:100]!r}")


def test_a_wrong_secret_from_a_file_is_reported_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("tooshort")
    message = error_text(THE_SECRET_FILE=str(tmp_path / "secret"))
    assert message == f"THE_SECRET is shorter than 32 bytes; it was read from {tmp_path / 'secret'}"
    (tmp_path / "empty").write_text("\n")
    assert (
        error_text(THE_SECRET_FILE=str(tmp_path / "empty"))
        == f"THE_SECRET_FILE names {tmp_path / 'empty'}, which is empty"
    )
    missing = error_text(THE_SECRET_FILE=str(tmp_path / "none"))
    assert missing == f"THE_SECRET_FILE names {tmp_path / 'none'}, which cannot be read: No such file or directory"


def test_a_misspelled_variable_is_logged_with_the_likely_name() -> None:
    environ = {
        "PROT": "1",  # not similar enough to PORT
        "PORT_": "1",
        "log_level": "1",
        "THE_SECRT_FILE": "1",
        "PATH": "1",
        "A_KEY": "1",
        "HOME": "1",
    }
    assert misspelled(environ, Example) == {
        "PORT_": "PORT",
        "log_level": "LOG_LEVEL",
        "THE_SECRT_FILE": "THE_SECRET_FILE",
    }
    with capture_logs() as logged:
        warn_about_misspelled({"IS_ONN": "on"}, Example)
    assert logged == [
        {"event": "unknown_setting", "log_level": "warning", "variable": "IS_ONN", "did_you_mean": "IS_ON"}
    ]


def test_a_setting_of_another_service_is_not_reported_as_misspelled() -> None:
    """In `make run` all services share one environment."""
    names = {line[1:].split("=")[0] for line in (ROOT / ".env.example").read_text().splitlines() if line[:1] == "#"}
    all_settings = {name for name in names if name.isupper()} | {f"{secret.setting}_FILE" for secret in SECRETS}
    for service in ("gateway", "auth_service", "resource_service"):
        members = vars(import_module(f"{service}.settings")).values()
        models = [member for member in members if isinstance(member, type) and issubclass(member, Settings)]
        assert misspelled(all_settings, *models) == {}, service


def test_problems_in_two_groups_of_settings_are_reported_together(capsys: pytest.CaptureFixture[str]) -> None:
    class Other(Settings):
        workers: int = 1

    with pytest.raises(SystemExit):
        settings_or_exit(Example, {"PORT": "eighty", "WORKERS": "two", "LOG_LEVEL": "x"}, Other)
    message = capsys.readouterr().err.splitlines()
    assert [line.split()[2] for line in message] == ["LOG_LEVEL", "THE_SECRET", "PORT", "WORKERS"]


def test_every_problem_is_reported_at_once() -> None:
    message = error_text(PORT="eighty", IS_ON="perhaps", OLD_SECRET="tooshort")
    assert [line.split(" ")[0] for line in message.splitlines()] == ["THE_SECRET", "OLD_SECRET", "PORT", "IS_ON"]


# --- secrets in files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["THE_SECRET", "OLD_SECRET", "A_KEY"])
def test_a_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    other = GOOD[::-1]
    (tmp_path / "secret").write_text(f"\n{other}\n\n")
    environ = {"THE_SECRET": GOOD, f"{name}_FILE": str(tmp_path / "secret")}
    if name == "THE_SECRET":
        del environ["THE_SECRET"]
    value = getattr(load(Example, environ), name.lower())
    assert isinstance(value, SecretStr)
    assert value.get_secret_value() == other


def test_a_variable_and_its_file_together_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(GOOD)
    message = error_text(THE_SECRET=GOOD, THE_SECRET_FILE=str(tmp_path / "secret"))
    assert message == "THE_SECRET and THE_SECRET_FILE are both set: keep one"


@pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff\xfe", b"tooshort"], ids=repr)
def test_an_unusable_secret_file_is_reported_by_its_variable(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    message = error_text(THE_SECRET_FILE=str(tmp_path / "secret"))
    assert message.startswith(("THE_SECRET ", "THE_SECRET_FILE "))
    assert "\n" not in message


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9000")
    assert load(Example, {"THE_SECRET": GOOD, "PORT_FILE": str(tmp_path / "port")}).port == 8_000


def test_a_process_that_cannot_start_reports_why_and_exits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_error:
        settings_or_exit(Example, {"PORT": "eighty"})
    assert exit_error.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "cannot start: THE_SECRET is missing"
    assert lines[1].startswith("cannot start: PORT ")
