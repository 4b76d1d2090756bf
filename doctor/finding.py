"""What a check finds: problems with a severity, a cause and a cure."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"
    """Users, secrets or revocations are in danger, or a service cannot work."""
    WARNING = "warning"
    """It works now, and will fail or weaken the system under conditions that the cause names."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem. `cause` names the setting, file or address; `cure` the setting or command. Neither has a secret."""

    severity: Severity
    cause: str
    cure: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and the name of the check that found it."""

    check: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class NotChecked:
    """A check that could not be run, and why."""

    check: str
    reason: str


class CannotCheck(Exception):
    """A fact cannot be collected. The message is the reason, for people."""


class Unreachable(CannotCheck):
    """A server does not answer. Checks that need it cannot be run, and one of them reports it."""


def error(cause: str, cure: str) -> Problem:
    """Return a problem with severity error."""
    return Problem(Severity.ERROR, cause, cure)


def warning(cause: str, cure: str) -> Problem:
    """Return a problem with severity warning."""
    return Problem(Severity.WARNING, cause, cure)
