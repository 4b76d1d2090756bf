"""The command line of `python -m stack`: run the whole system, or a command for the running system."""

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from compilation.copy import copy_problem
from stack.address import Port, UnixSocket
from stack.commands import create_secrets, reload_gateway, run_auth_command, tour_of
from stack.embedded_redis import find_server, redis_command
from stack.exclusive_use import check_ports, lock_data_dir, prepare_run_dir
from stack.plan import Plan, gateway_pid_file, make_plan
from stack.processes.console import Console, has_colors
from stack.processes.readiness import (
    NotReadyInTime,
    http_problem,
    listening_problem,
    redis_problem,
    wait_for_readiness,
)
from stack.processes.supervisor import ProcessDied, StopRequested, Supervisor
from stack.secrets_files import make_secrets, write_once
from stack.service_settings import service_problems
from stack.settings import Settings, SettingsProblems, StartError, read_settings

READY_TIMEOUT = 60.0
"""Seconds for each service to become ready."""
MIGRATION_TIMEOUT = math.inf
"""Seconds for each service to listen: without a limit, because a migration may take long."""
REDIS_TIMEOUT = 30.0
"""Seconds for Redis to become ready."""

DESCRIPTION = """
Starts a private Redis, the auth service, the resource service and the gateway, and stops them all on Ctrl-C.
Settings are read from the environment; .env.example lists all of them. The most used:
"""
SETTINGS_HELP = """
  GATEWAY_PORT   port of the gateway (8000)
  DATA_DIR       folder for databases, keys and secrets (.data)
  REDIS_URL      an existing Redis instead of the private one
  DATABASE_URL   a PostgreSQL database instead of SQLite files
  GATEWAY_ROUTES your own routes file instead of gateway/routes.toml
  APP_ENV        production: Redis, the database and all secrets must be given
"""


def main() -> int:
    """Run the command and return its exit status.

    0: done, or stopped on request. 1: a process died or was not ready in time. 2: the system cannot be started, or
    the command cannot be run. 130: Ctrl-C before the first process.
    """
    arguments = _arguments()
    os.umask(0o077)  # databases and keys are readable by this user only
    try:
        if arguments.command == "run":
            return asyncio.run(_run(Console()))
        if arguments.command == "rotate":
            return _rotate(arguments)
        print(_run_command(arguments))
        return 0
    except StartError as error:
        for problem in error.problems:
            print(f"stack: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before the first process was started
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stack",
        description=DESCRIPTION,
        epilog=SETTINGS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (run, if none is given)")
    parser.set_defaults(command="run")
    commands.add_parser("run", help="start the whole system")
    commands.add_parser("tour", help="print a tour of the running system: shell commands for another terminal")
    commands.add_parser("reload", help="make the gateway that runs with this DATA_DIR load its routes file again")
    auth = commands.add_parser("auth", help="run a command of the auth service; `auth --help` lists them")
    auth.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD")
    secrets = commands.add_parser("secrets", help="create the secrets of docker-compose.yml that are missing")
    folder = Path(os.environ.get("SECRETS_DIR") or ".data/secrets")
    secrets.add_argument("folder", nargs="?", type=Path, default=folder, help=f"their folder ({folder})")
    _add_rotate(commands)
    # Options after `auth`, --help included, belong to the auth service's command line.
    if sys.argv[1:2] == ["auth"]:
        return argparse.Namespace(command="auth", words=sys.argv[2:])
    return parser.parse_args()


def _add_rotate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("rotate", help="replace keys and secrets, one step at a time")
    parser.add_argument("names", nargs="*", metavar="NAME", help="signing, refresh, peer, notes, ... (all)")
    parser.add_argument("--folder", type=Path, help="the folder of docker-compose.yml's secrets; default: `make run`")
    parser.add_argument("--status", action="store_true", help="only show where each rotation is")
    parser.add_argument("--wait", action="store_true", help="make all steps that are due within an hour")
    parser.add_argument("--compromised", action="store_true", help="replace at once, and refuse the old ones")
    parser.add_argument("--spread", type=float, help="seconds until every process has read a file (10; folder: 120)")
    longest = "seconds: the longest REFRESH_TOKEN_LIFETIME ever set (a year); with --folder"
    parser.add_argument("--refresh-lifetime", type=float, default=31_536_000.0, help=longest)


def _rotate(arguments: argparse.Namespace) -> int:
    """Replace secrets and return the exit status. Does not return for those of `make run`. Raises StartError."""
    # Imported only here, because it imports the libraries for keys and tokens.
    from stack.rotation import FOLDER_SPREAD, LOCAL_SPREAD, RotationOptions, auth_words, rotate_folder

    options = RotationOptions(
        names=tuple(arguments.names),
        waits=arguments.wait,
        status=arguments.status,
        compromised=arguments.compromised,
        spread=arguments.spread or (FOLDER_SPREAD if arguments.folder else LOCAL_SPREAD),
        refresh_lifetime=arguments.refresh_lifetime,
    )
    if not arguments.folder:
        settings = read_settings(os.environ, Path.cwd())
        run_auth_command(settings, auth_words(settings.data_dir, options))
    for line in rotate_folder(arguments.folder, options):
        print(line, flush=True)
    return 0


def _run_command(arguments: argparse.Namespace) -> str:
    if arguments.command == "secrets":
        return create_secrets(arguments.folder)
    settings = read_settings(os.environ, Path.cwd())
    if arguments.command == "auth":
        run_auth_command(settings, arguments.words)
    if arguments.command == "tour":
        return tour_of(settings)
    return reload_gateway(settings)


async def _run(console: Console) -> int:
    settings = _read_settings()
    lock = _reserve(settings)
    _make_secrets(settings, console)
    supervisor = Supervisor(console, lock)
    supervisor.handle_signals()
    try:
        await supervisor.run_until_ended(_start_all(make_plan(settings), supervisor, console))
        return await supervisor.wait_for_end()
    except StopRequested as request:
        console.write_message(f"{request}: stopping")
        return 0
    except (ProcessDied, NotReadyInTime) as error:
        console.write_message(f"{error}: stopping the rest")
        return 1
    finally:
        await supervisor.stop()
        console.write_message("stopped")


def _read_settings() -> Settings:
    # The processes write to pipes; the stack alone knows whether their output ends at a terminal.
    colors = {"FORCE_COLOR": "1"} if has_colors(os.environ, sys.stdout.buffer) else {}
    try:
        return read_settings(os.environ | colors, Path.cwd())
    except SettingsProblems as error:
        raise _with_service_problems(error.settings, error.problems) from error


def _reserve(settings: Settings) -> int:
    """Reserve what only one system can use, check Redis, and return the lock of DATA_DIR. Raises StartError."""
    lock = lock_data_dir(settings.data_dir)
    prepare_run_dir(settings.run_dir)
    gateway_pid_file(settings).unlink(
        missing_ok=True
    )  # left by a killed gateway; the lock shows that no gateway runs
    problems: list[str] = []
    for check in (check_ports, _check_redis, _check_compiled_gateway):
        try:
            check(settings)
        except StartError as error:
            problems += error.problems
    if problems:
        raise _with_service_problems(settings, problems)
    return lock


def _check_redis(settings: Settings) -> None:
    if settings.embeds_redis:
        return
    # Imported only if needed, because the Redis client takes longer to import than all other modules together.
    from stack.external_redis import check_redis

    check_redis(settings.given)


def _check_compiled_gateway(settings: Settings) -> None:
    if settings.compiled and (problem := copy_problem()):
        raise StartError(f"GATEWAY_COMPILED is on, but {problem}")


def _with_service_problems(settings: Settings, problems: Sequence[str]) -> StartError:
    return StartError(*problems, *service_problems(settings, problems))


def _make_secrets(settings: Settings, console: Console) -> None:
    """Create the missing keys and secrets, except in production."""
    if settings.is_production:
        return
    try:
        with console.step(f"keys and secrets in {settings.data_dir}"):
            make_secrets(settings.data_dir, settings.generated)
            if settings.previous_key:
                write_once(settings.previous_key, bytes, 0o600)
    except OSError as error:
        raise StartError(f"DATA_DIR {settings.data_dir} cannot be used: {error.strerror}") from error


async def _start_all(plan: Plan, supervisor: Supervisor, console: Console) -> None:
    settings = plan.settings
    await _start_redis(plan, supervisor, console)
    with console.step("settings checked, databases migrated"):
        # A server listens when it has checked its settings and, if it has a database, migrated that.
        await supervisor.keep_running_once_started(
            plan.services,
            [plan.gateway],
            wait_until_started=lambda name: wait_for_readiness(
                name, partial(listening_problem, settings.address_of(name)), MIGRATION_TIMEOUT
            ),
        )
    with console.step("auth, resource and gateway are ready"):
        # The gateway last: without the auth service's keys it would log that it is not ready.
        for name in ("auth", "resource", "gateway"):
            await wait_for_readiness(name, partial(http_problem, settings.address_of(name), "/readyz"), READY_TIMEOUT)
    if plan.serves_first_page:
        console.write_message(f"a page to look at first: {settings.gateway.url}/development/")
    if isinstance(settings.gateway, Port):
        console.write_message("a tour of log-in, notes, refresh and replay: `make tour` in another terminal")
    console.remind(f"Sallyport is ready on {settings.gateway.url}; Ctrl-C stops it")


async def _start_redis(plan: Plan, supervisor: Supervisor, console: Console) -> None:
    if not plan.settings.embeds_redis:
        return
    with console.step(f"redis on {plan.redis_socket}"):
        plan.redis_folder.mkdir(mode=0o700, exist_ok=True)
        await supervisor.keep_running(
            redis_command(find_server(), plan.redis_socket, plan.redis_folder, {"PATH": os.defpath})
        )
        await wait_for_readiness("redis", partial(redis_problem, UnixSocket(plan.redis_socket)), REDIS_TIMEOUT)


if __name__ == "__main__":
    sys.exit(main())
