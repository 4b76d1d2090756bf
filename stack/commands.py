"""The other commands of `python -m stack`: print a tour, reload the gateway, run an auth command, create secrets."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from stack.address import Port
from stack.deployment_secrets import make_deployment_secrets
from stack.exclusive_use import is_locked
from stack.plan import auth_command, gateway_pid_file
from stack.settings import Settings, StartError
from stack.tour import make_tour


def reload_gateway(settings: Settings) -> str:
    """Send SIGHUP to the gateway, so that it loads its routes file again. Return a message for the user.

    Raises StartError if no gateway runs with this DATA_DIR.
    """
    pid_file = gateway_pid_file(settings)
    if is_locked(settings.data_dir):
        # The lock is held, so the pid is that of a running gateway. It writes the file shortly after its start.
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):
            pid = int(pid_file.read_text())
            os.kill(pid, signal.SIGHUP)
            return f"the gateway (pid {pid}) reloads; its log shows `routes_active`, or `routes_rejected`"
    raise StartError(f"no gateway runs with DATA_DIR {settings.data_dir}: start it with `make run`")


def run_auth_command(settings: Settings, words: Sequence[str]) -> NoReturn:
    """Replace this process by `python -m auth_service WORDS`, with the environment that `make run` gives it.

    Raises StartError if the command needs generated secrets and DATA_DIR, which has them, does not exist.
    """
    if settings.generated and not settings.is_production and not settings.data_dir.exists():
        raise StartError(f"there is no DATA_DIR {settings.data_dir}: start the system with `make run` first")
    command = auth_command(settings, *words)
    os.execve(command.argv[0], command.argv, dict(command.environ))  # noqa: S606 - deliberately without a shell


def tour_of(settings: Settings) -> str:
    """Return the tour of the system with these settings. Raises StartError if curl cannot reach its gateway."""
    if not isinstance(settings.gateway, Port):
        raise StartError(f"the tour needs a gateway with a port; GATEWAY_BIND is {settings.gateway.bind}")
    return make_tour(settings.gateway.url, settings.grace)


def create_secrets(folder: Path) -> str:
    """Create the missing secrets that `docker compose` reads from `folder`, and return a message for the user.

    Raises StartError if the folder cannot be written.
    """
    try:
        made = make_deployment_secrets(folder)
    except OSError as error:
        raise StartError(
            f"SECRETS_DIR {folder} cannot be used: {error.strerror}; choose a folder that this user can write"
        ) from error
    if not made:
        return f"{folder} already has every secret"
    return f"created in {folder}: {', '.join(made)}"
