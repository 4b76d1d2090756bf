"""Settings are read once; whatever is wrong is named, and no value is ever shown (R8)."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr, ValidationError

from chassis.serving import settings_or_exit
from chassis.settings import Settings, SettingsError, StrongSecret, load

GOOD = "pR7vXq2LmZ9tBw4KcYd8NsHf3GjTe6UaQx1WoIy5"
VARIABLES = ("THE_SECRET", "OLD_SECRET", "A_KEY", "PORT")


class Example(Settings):
    the_secret: StrongSecret
    old_secret: StrongSecret | None = None
    a_key: SecretStr = SecretStr("")
    port: Annotated[int, Field(ge=1, le=65_535)] = 8_000
    is_on: bool = False


def refusal(**environ: str) -> str:
    """What is said about these variables; none of their values may be in it."""
    with pytest.raises(SettingsError) as refused:
        load(Example, environ)
    said = str(refused.value)
    assert not any(value in said for value in environ.values() if len(value) > 3)
    return said


def test_what_is_told_is_read_and_the_rest_has_defaults() -> None:
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
    assert refusal(THE_SECRET="") == "THE_SECRET is missing"


@pytest.mark.parametrize(
    ("environ", "said"),
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
def test_each_complaint_names_its_variable(environ: dict[str, str], said: str) -> None:
    assert refusal(**environ).startswith(said)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = refusal(PORT="eighty", IS_ON="perhaps", OLD_SECRET="tooshort")
    assert [line.split(" ")[0] for line in said.splitlines()] == ["THE_SECRET", "OLD_SECRET", "PORT", "IS_ON"]


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


def test_both_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(GOOD)
    said = refusal(THE_SECRET=GOOD, THE_SECRET_FILE=str(tmp_path / "secret"))
    assert said == "THE_SECRET and THE_SECRET_FILE are both set: keep one"


@pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff\xfe", b"tooshort"], ids=repr)
def test_a_file_that_holds_no_secret_is_refused_by_its_variable(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    assert refusal(THE_SECRET_FILE=str(tmp_path / "secret")).startswith("THE_SECRET ")


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9000")
    assert load(Example, {"THE_SECRET": GOOD, "PORT_FILE": str(tmp_path / "port")}).port == 8_000


def test_a_process_that_cannot_start_says_why_and_exits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settings_or_exit(Example, {"PORT": "eighty"})
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "cannot start: THE_SECRET is missing"
    assert lines[1].startswith("cannot start: PORT ")
