"""Run checks in parallel, each for a few seconds at most."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from doctor.deployment import SERVICES
from doctor.facts import Facts
from doctor.finding import CannotCheck, Finding, NotChecked, Severity
from doctor.registry.check import Check

THREADS = 8
LONGEST_SECONDS = 20.0
"""For all checks together. Each probe has a shorter timeout of its own."""


@dataclass(frozen=True, slots=True)
class Report:
    """The findings, errors first, and the checks that could not be run. `checked` has the names of all the others."""

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    checked: tuple[str, ...]

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.problem.severity is severity for finding in self.findings)


def examine(facts: Facts, checks: Sequence[Check], longest_seconds: float = LONGEST_SECONDS) -> Report:
    """Run the checks and return their findings."""
    _import_first(facts)
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="doctor")
    deadline = time.monotonic() + longest_seconds
    running = [(check, pool.submit(_run, check, facts)) for check in checks]
    findings: list[Finding] = []
    not_checked = []
    checked = []
    for check, future in running:
        result = _result(check, future, deadline - time.monotonic())
        if isinstance(result, NotChecked):
            not_checked.append(result)
        else:
            checked.append(check.name)
            findings += result
    pool.shutdown(wait=False, cancel_futures=True)
    findings.sort(
        key=lambda finding: finding.problem.severity is not Severity.ERROR
    )  # stable: in the order of checks
    return Report(tuple(findings), tuple(not_checked), tuple(checked))


def _import_first(facts: Facts) -> None:
    """Import in one thread what several checks import.

    Two threads that import modules which import each other, such as those of SQLAlchemy, may get an unfinished one:
    Python prefers that to a deadlock.
    """
    services = (f"{SERVICES[name][0]}.settings" for name in facts.deployment.environs)
    for module in ("sqlalchemy", "redis", "flask", *services):
        if find_spec(module.partition(".")[0]):
            import_module(module)


def _run(check: Check, facts: Facts) -> list[Finding] | NotChecked:
    try:
        return [Finding(check.name, problem) for problem in check.run(facts)]
    except CannotCheck as reason:
        return NotChecked(check.name, str(reason))
    except ModuleNotFoundError as missing:  # the image of a service has no modules of others
        return NotChecked(check.name, f"{(missing.name or '').partition('.')[0]} is not installed here")
    except Exception as error:  # noqa: BLE001 - a check that fails must not hide what the others find
        # Without the message, which may contain a secret.
        return NotChecked(check.name, f"the check failed with {type(error).__name__}; please report it")


def _result(check: Check, future: "Future[list[Finding] | NotChecked]", seconds: float) -> list[Finding] | NotChecked:
    try:
        return future.result(max(seconds, 0.0))
    except FutureTimeout:
        return NotChecked(check.name, "it took too long")
