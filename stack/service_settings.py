"""Collect the settings problems of all services, so that one failed start reports every problem."""

import subprocess
from collections.abc import Iterable

from stack.plan import ROOT, Command, settings_checks
from stack.settings import Settings

TIMEOUT_SECONDS = 30.0
"""For the check of one service. A check that takes longer is killed and reports nothing."""
PREFIX = "cannot start: "
"""The beginning of a line in which a service reports a problem (chassis/startup.py)."""


def service_problems(settings: Settings, reported: Iterable[str]) -> list[str]:
    """Return the settings problems of the services, except those of settings that `reported` contains already."""
    excluded = {_setting(problem) for problem in reported}
    if not settings.is_production:
        excluded |= {secret.setting for secret in settings.generated}  # the first start will create them
    running = [_start_check(command) for command in settings_checks(settings)]
    problems = [problem for process in running for problem in _problems_of(process)]
    return [problem for problem in dict.fromkeys(problems) if _setting(problem) not in excluded]


def _start_check(command: Command) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command.argv,
        env=dict(command.environ),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _problems_of(process: subprocess.Popen[str]) -> list[str]:
    try:
        _, output = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, output = process.communicate()
    return [line.removeprefix(PREFIX) for line in output.splitlines() if line.startswith(PREFIX)]


def _setting(problem: str) -> str:
    """Return the setting that a problem names: its first word, without `_FILE`."""
    return problem.partition(" ")[0].rstrip(":").removesuffix("_FILE")
