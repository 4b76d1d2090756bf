"""Owns how a process reads its settings: once, typed, frozen, and named in every complaint.

A field `redis_url` is read from the variable `REDIS_URL`. A field of type SecretStr may also come from the
file that `..._FILE` names. An empty variable counts as unset. Secrets have no defaults.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from contract.keys import WeakKey, check_secret


class SettingsError(Exception):
    """The settings are refused. The text names each variable and what is wrong with it, never a value."""


class Settings(BaseModel):
    """What every process can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_env: Literal["development", "production"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def _strong(secret: SecretStr) -> SecretStr:
    try:
        check_secret(secret.get_secret_value())
    except WeakKey as error:
        raise ValueError(str(error)) from error
    return secret


StrongSecret = Annotated[SecretStr, AfterValidator(_strong)]
"""A shared secret of at least 32 bytes that is no known example."""

SomeSettings = TypeVar("SomeSettings", bound=Settings)


def load(model: type[SomeSettings], environ: Mapping[str, str]) -> SomeSettings:
    """The settings in `environ`. Raises SettingsError that names every variable at fault."""
    values: dict[str, str] = {}
    complaints: list[str] = []
    for name, info in model.model_fields.items():
        try:
            text = _read(name.upper(), info, environ)
        except SettingsError as error:
            complaints.append(str(error))
            continue
        if text:
            values[name] = text
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        complaints += _complaints(error, {complaint.split(" ", 1)[0] for complaint in complaints})
    if complaints:
        raise SettingsError("\n".join(complaints))
    return settings


def _read(variable: str, info: FieldInfo, environ: Mapping[str, str]) -> str | None:
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
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable} cannot be read from its file: {type(error).__name__}") from error


def _is_secret(info: FieldInfo) -> bool:
    kinds = (info.annotation, *get_args(info.annotation))
    return any(SecretStr in (kind, *get_args(kind)) for kind in kinds)


def _complaints(error: ValidationError, named_already: set[str]) -> list[str]:
    found = []
    for problem in error.errors(include_input=False, include_url=False):
        variable = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        if variable in named_already:
            continue
        said = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        found.append(f"{variable} {said[0].lower()}{said[1:]}" if said.startswith("Input") else f"{variable} {said}")
    return found
