"""Read the secrets of the services, and the files that they are in."""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from chassis.secret_rotation.rotation import Step
from chassis.secret_rotation.secret_file import SecretFile, SecretFileError
from contract.keys import UnusableKey
from contract.secret_list import split_secrets
from doctor.deployment import Deployment
from doctor.probes.configuration import identity_secrets_of

_PURPOSES = {
    "SIGNING_KEY": "signing",
    "PREVIOUS_SIGNING_KEY": "previous signing key",
    "REFRESH_SECRET": "refresh",
    "PEER_SECRET": "peer",
    "IDENTITY_SECRET": "identity",
    "SIMPLEJWT_SECRET": "simplejwt",
}
"""The settings with secrets of this project, and the purpose of each."""
_FILE_PURPOSES = {
    "signing": "signing",
    "previous_signing": "previous signing key",
    "refresh": "refresh",
    "peer": "peer",
}
"""The purposes of files in a folder of secrets, by the name without ending. Others are identity secrets."""
_OTHERS = (
    "DATABASE_URL",
    "FIREBASE_SIGNER_KEY",
    "FLASK_SECURITY_PASSWORD_SALT",
    "REDIS_URL",
    "SMTP_PASSWORD",
    "WEBHOOKS",
)
"""Settings with secrets of other systems. Only the modes of their files are checked."""
_URLS = ("DATABASE_URL", "REDIS_URL")
_GROUP_OR_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A secret: where it is, its purpose, and its values, of which there are two while it is replaced.

    A purpose is `peer`, `refresh`, `signing`, `identity` or `identity:UPSTREAM`, `password`. `user` and `host` belong
    to a password in a URL. The rest is about its file: the modes that let others read or write it, and its rotation.
    `since` is when the step began, in seconds since the epoch.
    """

    source: str
    purpose: str
    values: tuple[str, ...] = field(repr=False)
    user: str = ""
    host: str = ""
    file: Path | None = None
    others_read: bool = False
    others_write: bool = False
    step: Step = Step.SINGLE
    since: float = 0.0
    is_half_written: bool = False
    problem: str = ""


def secrets_of(deployment: Deployment) -> tuple[SecretFacts, ...]:
    """Return the secrets of every service that is here, and those in the folder of secrets."""
    found = [secret for name, environ in deployment.environs.items() for secret in _of_service(name, environ)]
    seen = {secret.file.resolve() for secret in found if secret.file}
    if deployment.secret_folder is not None:
        found += [
            each for each in _of_folder(deployment.secret_folder) if each.file and each.file.resolve() not in seen
        ]
    return tuple(found)


def _of_service(name: str, environ: Mapping[str, str]) -> Iterator[SecretFacts]:
    for setting, purpose in _PURPOSES.items():
        if path := environ.get(f"{setting}_FILE"):
            yield _in_file(f"{setting} of {name}", purpose, Path(path))
        elif text := environ.get(setting):
            yield _in_text(f"{setting} of {name}", purpose, text)
    for setting in _URLS:
        if url := _text_of(setting, environ):
            yield from _in_url(f"{setting} of {name}", url)
    for setting in _OTHERS:
        if path := environ.get(f"{setting}_FILE"):
            yield _modes_of(f"{setting} of {name}", Path(path))
    if name == "gateway":
        for upstream, (source, text, file) in identity_secrets_of(environ).items():
            label = f"the identity secret of upstreams.{upstream}"
            purpose = f"identity:{upstream}"
            yield _in_file(label, purpose, file) if file else _in_text(f"{label} ({source})", purpose, text)


def _of_folder(folder: Path) -> Iterator[SecretFacts]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith(".public.pem"):
            continue
        if path.suffix in (".secret", ".pem"):
            yield _in_file(path.name, _FILE_PURPOSES.get(path.stem, f"identity:{path.stem}"), path)
        elif path.suffix == ".password":
            yield _in_file(path.name, f"password of {path.stem}", path)


def _in_text(source: str, purpose: str, text: str) -> SecretFacts:
    try:
        return SecretFacts(source, purpose, split_secrets(text))
    except UnusableKey as error:
        return SecretFacts(source, purpose, (), problem=f"{source} {error}")


def _in_url(source: str, url: str) -> Iterator[SecretFacts]:
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:  # settings.invalid has the reason
        return
    if password:
        user, host = unquote(parts.username or ""), parts.hostname or ""
        yield SecretFacts(f"the password in {source}", "password", (unquote(password),), user, host)


def _in_file(source: str, purpose: str, path: Path) -> SecretFacts:
    label = f"{source} ({path})"
    file = SecretFile(path)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        return SecretFacts(label, purpose, (), file=path, problem=f"{label} cannot be read: {reason}")
    if not text.strip():
        return SecretFacts(label, purpose, (), file=path)
    state = {
        "file": path,
        "others_read": bool(mode & stat.S_IROTH) and _others_enter(path),
        "others_write": bool(mode & _GROUP_OR_OTHERS) and _others_enter(path),
        "is_half_written": file.copy_path.exists(),
    }
    try:
        rotation = file.peek()
    except SecretFileError as error:
        return SecretFacts(label, purpose, _values(text), problem=str(error), **state)  # type: ignore[arg-type]  # by name
    return SecretFacts(label, purpose, rotation.secrets, step=rotation.step, since=rotation.since, **state)  # type: ignore[arg-type]  # by name


def _modes_of(source: str, path: Path) -> SecretFacts:
    label = f"{source} ({path})"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return SecretFacts(
            label, "of another system", (), file=path, problem=f"{label} cannot be read: {error.strerror}"
        )
    return SecretFacts(
        label,
        "of another system",
        (),
        file=path,
        others_read=bool(mode & stat.S_IROTH) and _others_enter(path),
        others_write=bool(mode & _GROUP_OR_OTHERS) and _others_enter(path),
    )


def _values(text: str) -> tuple[str, ...]:
    try:
        return split_secrets(text)
    except UnusableKey:
        return ()


def _others_enter(path: Path) -> bool:
    """Return whether other users can enter every folder above a file."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def _text_of(setting: str, environ: Mapping[str, str]) -> str:
    if path := environ.get(f"{setting}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):  # settings.invalid has the reason
            return ""
    return environ.get(setting, "")
