"""The commands beside `make run`: reload the gateway, run an auth service command, make the secrets of a deployment.

Each works on the copy that DATA_DIR names, with the environment that `make run` would give the service.
"""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from stack.claim import is_claimed
from stack.deployment_secrets import make_deployment_secrets
from stack.plan import auth_command, gateway_pid_file
from stack.settings import Settings, StartRefused


def reload_gateway(settings: Settings) -> str:
    """Send SIGHUP to this copy's gateway, which takes up its routes file. Returns what to tell.

    Raises StartRefused where none runs with this DATA_DIR.
    """
    pid_file = gateway_pid_file(settings)
    if is_claimed(settings.data_dir):
        # The lock is held, so its processes live and the pid is theirs. The file comes shortly after the gateway.
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):
            pid = int(pid_file.read_text())
            os.kill(pid, signal.SIGHUP)
            return f"the gateway (pid {pid}) reloads; its log says `routes_active`, or `routes_rejected` and why"
    raise StartRefused(f"no gateway runs with DATA_DIR {settings.data_dir}: start it with `make run`")


def run_auth_command(settings: Settings, words: Sequence[str]) -> NoReturn:
    """Become `python -m auth_service WORDS` with the environment that `make run` gives the auth service.

    Raises StartRefused where nothing was ever started with this DATA_DIR.
    """
    if settings.generated and not settings.is_production and not settings.data_dir.exists():
        raise StartRefused(f"there is no DATA_DIR {settings.data_dir}: start the system with `make run` first")
    command = auth_command(settings, *words)
    os.execve(command.argv[0], command.argv, dict(command.environ))  # noqa: S606 - no shell is wanted


def make_secrets_of(folder: Path) -> str:
    """Make what is missing of the secrets that `docker compose` reads from `folder`. Returns what to tell."""
    try:
        made = make_deployment_secrets(folder)
    except OSError as problem:
        raise StartRefused(
            f"SECRETS_DIR {folder} cannot be used: {problem.strerror}; choose a folder that this user can write"
        ) from problem
    if not made:
        return f"every secret is in {folder} already"
    return f"made in {folder}: {', '.join(made)}"
