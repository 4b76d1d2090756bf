"""Make the next step of a rotation if it is due, or all steps one after another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.secret_rotation.key_material import new_secret_like, public_part
from chassis.secret_rotation.rotation import Rotation, Step, UptimeClock, Waits, due_at
from chassis.secret_rotation.secret_file import SecretFile, SecretFileError
from contract.keys import UnusableKey

POLL_SECONDS = 5.0
"""The longest pause between two looks at what is due. A process may have recorded a later expiry meanwhile."""


PATIENCE_SECONDS = 3_600.0
"""The longest wait for a step."""


@dataclass(frozen=True, slots=True)
class Target:
    """A secret to replace. `waits` returns the waits of a step; `name` is for people."""

    name: str
    file: SecretFile
    waits: Callable[[Rotation], Waits]
    uptime: UptimeClock = lambda: None


@dataclass(frozen=True, slots=True, repr=False)
class Progress:
    """What was done: `done` is `published`, `signing`, `retired`, `replaced`, or empty if nothing was due.

    `due_at` is when the next step may be made; None if the rotation is complete.
    """

    target: Target
    done: str
    rotation: Rotation
    due_at: float | None


def state_of(target: Target, now: float) -> Progress:
    """Return where the rotation is, without a change. Raises SecretFileError."""
    rotation = target.file.read()
    return Progress(target, "", rotation, _due_at(target, rotation, now))


def advance(target: Target, now: float, *, begins: bool, min_age: float = 0) -> Progress:
    """Make the next step if it is due. A new rotation begins if `begins`, and the secret is `min_age` seconds old.

    Raises SecretFileError.
    """
    with target.file.locked():
        rotation = target.file.read()
        if rotation.step is Step.SINGLE:
            if not begins or now - rotation.since < min_age:
                return Progress(target, "", rotation, None)
            return _store(target, "published", rotation.publish(_new(target, rotation), now, target.uptime()), now)
        due = due_at(rotation, target.waits(rotation), now, target.uptime())
        if now < due:
            return Progress(target, "", rotation, due)
        if rotation.step is Step.PUBLISHED:
            # The private part of the old key is of no use any more.
            return _store(
                target, "signing", rotation.sign(public_part(rotation.secrets[0]), now, target.uptime()), now
            )
        return _store(target, "retired", rotation.retire(now), now)


def replace_at_once(target: Target, now: float) -> Progress:
    """Replace the secrets by a new one; the old ones are refused from now on. Raises SecretFileError."""
    with target.file.locked():
        rotation = target.file.read()
        return _store(target, "replaced", Rotation((_new(target, rotation),), Step.SINGLE, now), now)


def rotate(
    targets: Sequence[Target], clock: Clock, sleep: Callable[[float], None], *, min_age: float = 0
) -> Iterator[Progress]:
    """Make all steps of all targets, and wait before each until it is due. Yield every step that was made.

    A rotation that has begun before is continued. One whose next step is due later than PATIENCE_SECONDS is left as
    it is: a refresh secret may be accepted for months. Raises SecretFileError.
    """
    open_targets = list(targets)
    begins = True
    while open_targets:
        waiting = []
        for target in open_targets:
            progress = advance(target, clock(), begins=begins, min_age=min_age)
            if progress.done:
                yield progress
            if progress.due_at is not None and progress.due_at - clock() <= PATIENCE_SECONDS:
                waiting.append(progress)
            elif progress.due_at is not None and not progress.done:
                yield progress
        begins = False
        open_targets = [progress.target for progress in waiting]
        if waiting:
            first = min(progress.due_at or 0 for progress in waiting)
            sleep(min(max(first - clock(), 0.1), POLL_SECONDS))


def _new(target: Target, rotation: Rotation) -> str:
    try:
        return new_secret_like(rotation.secrets[0])
    except UnusableKey as error:
        raise SecretFileError(f"{target.file.path} {error}") from error


def _store(target: Target, done: str, rotation: Rotation, now: float) -> Progress:
    target.file.write(rotation)
    return Progress(target, done, rotation, _due_at(target, rotation, now))


def _due_at(target: Target, rotation: Rotation, now: float) -> float | None:
    if rotation.step is Step.SINGLE:
        return None
    return due_at(rotation, target.waits(rotation), now, target.uptime())
