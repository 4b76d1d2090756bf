"""Collect what the services refuse in their settings, so that one failed start names all that is wrong."""

import subprocess
from collections.abc import Iterable

from stack.plan import ROOT, Command, settings_checks
from stack.settings import Settings

SECONDS = 30.0
REFUSAL = "cannot start: "


def service_problems(settings: Settings, said: Iterable[str]) -> list[str]:
    """Return each complaint of a service once, without those about settings that `said` names already."""
    named = {_setting(complaint) for complaint in said}
    if not settings.is_production:
        named |= {secret.setting for secret in settings.generated}  # the first start has yet to make them
    running = [_start(command) for command in settings_checks(settings)]
    complaints = [complaint for process in running for complaint in _refusals(process)]
    return [complaint for complaint in dict.fromkeys(complaints) if _setting(complaint) not in named]


def _start(command: Command) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command.argv,
        env=dict(command.environ),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _refusals(process: subprocess.Popen[str]) -> list[str]:
    try:
        _, output = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, output = process.communicate()
    return [line.removeprefix(REFUSAL) for line in output.splitlines() if line.startswith(REFUSAL)]


def _setting(complaint: str) -> str:
    return complaint.partition(" ")[0].rstrip(":").removesuffix("_FILE")
