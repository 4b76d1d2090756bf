"""The settings IDENTITY_SECRET, IDENTITY_SECRET_FILE and IDENTITY_AUDIENCE, from arguments or the environment."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sallyport_service.key_ring import KeyRing
from sallyport_service.keys import UnusableKey, WeakSecret


class ConfigurationError(ValueError):
    """The settings are invalid. One line per problem: the setting, what is wrong and what to do."""


def read_settings(
    secret: str | Sequence[str] | None,
    secret_file: str | os.PathLike[str] | None,
    audience: str | None,
    environ: Mapping[str, str],
) -> tuple[KeyRing, str]:
    """Return the keys and the audience. Defaults are read from `environ`. Raises ConfigurationError."""
    problems: list[str] = []
    keys = None
    if secret is None and secret_file is None:
        secret, secret_file = environ.get("IDENTITY_SECRET") or None, environ.get("IDENTITY_SECRET_FILE") or None
    try:
        keys = _read_keys(secret, secret_file)
    except ConfigurationError as error:
        problems.append(str(error))
    audience = audience if audience is not None else environ.get("IDENTITY_AUDIENCE", "")
    if not audience:
        problems.append(
            "IDENTITY_AUDIENCE is missing: set it to the upstream's audience in routes.toml (by default its name)"
        )
    if keys is None or problems:
        raise ConfigurationError("\n".join(problems))
    return keys, audience


def _read_keys(secret: str | Sequence[str] | None, secret_file: str | os.PathLike[str] | None) -> KeyRing:
    if secret is not None and secret_file is not None:
        raise ConfigurationError("IDENTITY_SECRET and IDENTITY_SECRET_FILE are both set: keep one")
    origin = ""
    if secret_file is not None:
        secret, origin = _read_file(secret_file), f"; it was read from {os.fspath(secret_file)}"
    if secret is None:
        raise ConfigurationError(
            "IDENTITY_SECRET is missing: set it, or IDENTITY_SECRET_FILE, to the secret of this service's upstream"
            " (identity_secret_file in routes.toml)"
        )
    try:
        return KeyRing(secret, secret_file)
    except UnusableKey as error:
        advice = ": create one with `openssl rand -hex 32`" if isinstance(error, WeakSecret) else ""
        raise ConfigurationError(f"IDENTITY_SECRET {error}{advice}{origin}") from error


def _read_file(path: str | os.PathLike[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"IDENTITY_SECRET_FILE names {path}, which is not UTF-8 text") from error
    except OSError as error:
        raise ConfigurationError(
            f"IDENTITY_SECRET_FILE names {path}, which cannot be read: {error.strerror}"
        ) from error
