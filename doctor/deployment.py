"""The deployment to check: the environment of each service that is here, and the URL of the gateway."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

Environ = Mapping[str, str]

SERVICES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "gateway": ("gateway", ("AUTH_URL",)),
    "auth": ("auth_service", ("SIGNING_KEY", "REFRESH_SECRET")),
    "resource": ("resource_service", ("IDENTITY_SECRET",)),
}
"""The package of each service, and settings that only its environment has."""


class UsageError(Exception):
    """The deployment cannot be checked at all. The message says why, and what to do."""


class Place(StrEnum):
    """Where this process runs. Ports and file modes mean something else in a container."""

    HOST = "host"
    CONTAINER = "container"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is known at the start. `environs` has the environment of each service that is here.

    `url` is the gateway's: http://, https:// or unix:/path; empty if it is to be read from the gateway's settings.
    `secret_folder` has further secrets; `gateway_pid_file` exists if the gateway is that of `make run`.
    """

    environs: Mapping[str, Environ]
    url: str = ""
    secret_folder: Path | None = None
    place: Place = Place.HOST
    gateway_pid_file: Path | None = None


def present_place(environ: Environ, root: Path = Path("/")) -> Place:
    """Return where this process runs. `root` is the root of the file system."""
    if "KUBERNETES_SERVICE_HOST" in environ:
        return Place.KUBERNETES
    marks = (root / ".dockerenv", root / "run" / ".containerenv")
    return Place.CONTAINER if any(mark.exists() for mark in marks) else Place.HOST


def deployment_of_stack(environ: Environ, here: Path) -> Deployment:
    """Return the deployment of `make run` with this environment. Raises UsageError if it does not run."""
    # Imported here, because the image of a service has no stack.
    from stack.address import Port
    from stack.exclusive_use import is_locked
    from stack.plan import gateway_pid_file, make_plan
    from stack.settings import StartError, read_settings

    try:
        settings = read_settings(environ, here)
        is_running = is_locked(settings.data_dir)
    except StartError as problem:
        raise UsageError(str(problem)) from problem
    if not is_running:
        raise UsageError(f"no system runs with DATA_DIR {settings.data_dir}: start it with `make run`")
    plan = make_plan(settings)
    commands = (*plan.services, plan.gateway)
    gateway = settings.gateway
    return Deployment(
        {command.name: command.environ for command in commands},
        gateway.url if isinstance(gateway, Port) else gateway.bind,
        place=present_place(environ),
        gateway_pid_file=gateway_pid_file(settings),
    )


def deployment_of_environment(
    environ: Environ, files: Sequence[str], url: str, secret_folder: Path | None
) -> Deployment:
    """Return the deployment whose settings are in `environ`, or instead of it in environment files.

    `files` are `FILE`, for all services, or `SERVICE=FILE`. Raises UsageError if no service has settings there and
    there is neither a URL nor a folder of secrets.
    """
    environs = _environs(environ, files)
    found = {name: values for name, values in environs.items() if _is_here(name, values)}
    if not found and not url and secret_folder is None:
        raise UsageError(
            "there are no settings of a service in the environment: run it where a service runs, "
            "or give --env-file, --url or --secrets"
        )
    return Deployment(found, url, secret_folder, present_place(os.environ))


def _environs(environ: Environ, files: Sequence[str]) -> dict[str, Environ]:
    environs = dict.fromkeys(SERVICES, {} if files else environ)
    for entry in files:
        name, separator, path = entry.partition("=")
        named, path = ((name,), path) if separator and name in SERVICES else (tuple(SERVICES), entry)
        values = read_env_file(Path(path))
        environs |= {service: {**environs[service], **values} for service in named}
    return environs


def _is_here(name: str, environ: Environ) -> bool:
    package, settings = SERVICES[name]
    has_settings = any(environ.get(setting) or environ.get(f"{setting}_FILE") for setting in settings)
    return has_settings and find_spec(package) is not None


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables in a file of `NAME=value` lines, as systemd and Docker read it. Raises UsageError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--env-file {path} cannot be read: {reason}") from problem
    values = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith(("#", ";")):
            continue
        name, separator, value = line.removeprefix("export ").partition("=")
        if not separator:
            raise UsageError(f"--env-file {path}: line {number} is not NAME=value")
        values[name.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    if value[:1] in ("'", '"') and value.endswith(value[0]) and len(value) > 1:
        return "".join(shlex.split(value)) if value[1:-1] else ""
    return value
