"""Replace the keys and secrets of `make run`, or those in a folder that docker-compose.yml mounts."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from chassis.secret_rotation.rotation import Rotation, Step, Waits
from chassis.secret_rotation.rotator import Progress, Target, advance, replace_at_once, rotate, state_of
from chassis.secret_rotation.secret_file import SecretFile, SecretFileError
from chassis.secret_rotation.uptime import system_uptime
from contract.claims import LEEWAY, LONGEST_ACCESS_LIFETIME
from contract.identity import MAX_AGE
from stack.settings import StartError

LOCAL_SPREAD, FOLDER_SPREAD = 10.0, 120.0
"""Seconds until every process has read a changed file: of `make run`, and of a deployment."""

JWKS_CACHED = 300
"""Seconds for which readers may cache the public keys."""

_FIRST = ("signing.pem", "refresh.secret", "peer.secret")


@dataclass(frozen=True, slots=True)
class RotationOptions:
    """What to do with which secrets; without `names`, with all. `spread` and `refresh_lifetime` are in seconds."""

    names: tuple[str, ...]
    waits: bool
    status: bool
    compromised: bool
    spread: float
    refresh_lifetime: float


def auth_words(data_dir: Path, options: RotationOptions) -> list[str]:
    """Return the words of the auth service's `keys` command that does this for the secrets of `make run`."""
    verb = ["status"] if options.status else ["rotate", "--yes"]
    flags = ["--wait"] if options.waits else []
    flags += ["--compromised"] if options.compromised else []
    return ["keys", *verb, *flags, "--spread", f"{options.spread:g}", *_words(data_dir, options.names)]


def _words(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield the names as the auth service knows them: identity secrets by their path."""
    for path in _paths(folder, names):
        yield path.stem if path.name in _FIRST else str(path)


def rotate_folder(folder: Path, options: RotationOptions) -> Iterator[str]:
    """Do it for the files in a folder, and yield what was done. Raises StartError.

    What the processes have recorded is in their database, which this command does not know. So a previous secret is
    accepted as long as any token that the settings allow.
    """
    targets = [_target(path, options) for path in _paths(folder, options.names)]
    try:
        for progress in _steps(targets, options):
            yield _sentence(progress)
    except SecretFileError as error:
        raise StartError(str(error)) from error


def _steps(targets: Sequence[Target], options: RotationOptions) -> Iterator[Progress]:
    if options.status:
        return (state_of(target, time.time()) for target in targets)
    if options.compromised:
        return (replace_at_once(target, time.time()) for target in targets)
    if options.waits:
        return rotate(targets, time.time, time.sleep)
    return (advance(target, time.time(), begins=True) for target in targets)


def _paths(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of the secrets. Raises StartError for an unknown name.

    Without `names`, other PEM files are left alone: they may be keys and certificates of TLS.
    """
    files = [folder / name for name in _FIRST if (folder / name).is_file()]
    files += [path for path in sorted(folder.glob("*.secret")) if path.name not in _FIRST]
    known = {path.stem: path for path in files}
    named = {path.stem: path for path in folder.glob("*.pem")} | known
    unknown = [name for name in names if name not in named]
    if unknown or not known:
        raise StartError(f"{folder} has no secret {', '.join(unknown)}; it has: {', '.join(known) or 'none'}")
    return [named[name] for name in names or known]


def _target(path: Path, options: RotationOptions) -> Target:
    lifetimes = {"signing.pem": LONGEST_ACCESS_LIFETIME, "refresh.secret": options.refresh_lifetime}
    published = options.spread + (JWKS_CACHED if path.name == "signing.pem" else 0)
    signing = options.spread + lifetimes.get(path.name, MAX_AGE) + LEEWAY
    file = SecretFile(path, in_place=True, publishes_keys=path.name not in _FIRST)
    return Target(path.stem, file, partial(_waits, Waits(published, signing)), system_uptime)


def _waits(waits: Waits, _: Rotation) -> Waits:
    return waits


_DONE = {
    "published": "published a new one",
    "signing": "the new one signs, the old one is still accepted",
    "retired": "done, only the new one is accepted",
    "replaced": "replaced, the old one is refused",
}
_STATE = {
    Step.SINGLE: "one secret",
    Step.PUBLISHED: "the old one signs, the new one is accepted",
    Step.SIGNING: "the new one signs, the old one is accepted",
}


def _sentence(progress: Progress) -> str:
    text = _DONE.get(progress.done) or _STATE[progress.rotation.step]
    at = "" if progress.due_at is None else f"; next step: {_timestamp(progress.due_at)} or later"
    return f"{progress.target.name}: {text}{at}"


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
