"""Settings from environment variables. They are read once, typed and frozen, and every error names its variable.

The field `redis_url` is read from the variable `REDIS_URL`. A field of type SecretStr can also be read from a file,
whose path is in the variable with the ending `_FILE`. An empty variable counts as unset.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, PrivateAttr, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from contract.keys import UnusableKey, check_secret
from contract.secret_list import shared_secrets

_MAX_SHOWN = 100
"""Characters of a wrong value that an error message shows."""


class SettingsError(Exception):
    """The settings are invalid. One line per variable: its name, what is wrong, and the value unless it is secret."""


class Settings(BaseModel):
    """The settings that every process has, and the base class of the others."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_env: Literal["development", "production"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    """json: one object per line. console: lines for people at a terminal."""

    _secret_files: Mapping[str, Path] = PrivateAttr(default_factory=dict)

    def secret_file(self, name: str) -> Path | None:
        """Return the file that the secret field `name` was read from; None if it was not in a file."""
        return self._secret_files.get(name)


def check_strength(secret: SecretStr) -> SecretStr:
    """Return a secret that contract.keys.check_secret accepts. Raises ValueError."""
    try:
        check_secret(secret.get_secret_value())
    except UnusableKey as error:
        raise ValueError(str(error)) from error
    return secret


def _check_each(secrets: SecretStr) -> SecretStr:
    shared_secrets(secrets.get_secret_value())  # raises UnusableKey, which is a ValueError
    return secrets


StrongSecret = Annotated[SecretStr, AfterValidator(_check_each)]
"""A shared secret that contract.keys.check_secret accepts: at least 32 bytes, neither an example nor a pattern.

While it is replaced there are two, one a line: the first one signs, and each of them verifies.
"""

SomeSettings = TypeVar("SomeSettings", bound=Settings)


def load(model: type[SomeSettings], environ: Mapping[str, str]) -> SomeSettings:
    """Return the settings in `environ`. Raises SettingsError, which lists every wrong variable."""
    values: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, info in model.model_fields.items():
        try:
            text = _read_variable(name.upper(), info, environ)
        except SettingsError as error:
            problems[name.upper()] = str(error)
            continue
        if text:
            values[name] = text
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        for variable, reason in _problems(error):
            path = environ.get(f"{variable}_FILE")
            if reason == "is missing" and path and _is_secret(model.model_fields[variable.lower()]):
                problems.setdefault(variable, f"{variable}_FILE names {path}, which is empty")
            problems.setdefault(variable, f"{variable} {reason}{_value_or_path(variable, model, environ)}")
    if problems:
        raise SettingsError("\n".join(problems.values()))
    settings._secret_files = dict(_secret_files(model, environ))
    return settings


def _secret_files(model: type[Settings], environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for name, info in model.model_fields.items():
        path = environ.get(f"{name.upper()}_FILE")
        if path and _is_secret(info):
            yield name, Path(path)


def _read_variable(variable: str, info: FieldInfo, environ: Mapping[str, str]) -> str | None:
    text = environ.get(variable)
    if not _is_secret(info):
        return text
    path = environ.get(f"{variable}_FILE")
    if text and path:
        raise SettingsError(f"{variable} and {variable}_FILE are both set: keep one")
    if not path:
        return text
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{variable}_FILE names {path}, which is not UTF-8 text") from error
    except OSError as error:
        raise SettingsError(f"{variable}_FILE names {path}, which cannot be read: {error.strerror}") from error


def _value_or_path(variable: str, model: type[Settings], environ: Mapping[str, str]) -> str:
    """Return the end of an error message: the value, or for a secret the file that it was read from."""
    info = model.model_fields.get(variable.lower())
    if info is None or not _is_secret(info):
        value = environ.get(variable, "")
        return f"; got {value[:_MAX_SHOWN]!r}" if value else ""
    path = environ.get(f"{variable}_FILE")
    return f"; it was read from {path}" if path else ""


def _is_secret(info: FieldInfo) -> bool:
    kinds = (info.annotation, *get_args(info.annotation))
    return any(SecretStr in (kind, *get_args(kind)) for kind in kinds)


def _problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield the name of each wrong variable, and what is wrong."""
    for problem in error.errors(include_input=False, include_url=False):
        variable = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        reason = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        yield variable, f"{reason[0].lower()}{reason[1:]}" if reason.startswith("Input") else reason


_MIN_SIMILARITY = 0.85
"""Similarity of two names (0 to 1, difflib's ratio) at which one counts as a misspelling of the other.

Two names of seven characters or more that differ in one character reach it.
"""


def misspelled(environ: Iterable[str], *models: type[Settings]) -> dict[str, str]:
    """Return the variables that look like misspelled settings of `models`, each with the name of that setting."""
    known = {
        name for model in models for field in model.model_fields for name in (field.upper(), f"{field.upper()}_FILE")
    }
    found = {}
    for variable in set(environ) - known:
        if close := get_close_matches(variable.upper(), known, n=1, cutoff=_MIN_SIMILARITY):
            found[variable] = close[0]
    return found
