"""`python -m stack`: start the whole system on this machine and stop it on Ctrl-C; and the commands beside that."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stack.address import Port, UnixSocket
from stack.claim import check_ports, claim_data_dir, claim_run_dir
from stack.commands import make_secrets_of, reload_gateway, run_auth_command
from stack.console import Console
from stack.embedded_redis import find_server, redis_command
from stack.first_start import make_secrets
from stack.plan import Plan, gateway_pid_file, make_plan
from stack.readiness import NotReady, http_problem, redis_problem, wait_for
from stack.service_settings import service_problems
from stack.settings import Settings, SettingsRefused, StartRefused, read_settings
from stack.supervisor import ProcessDied, StopAsked, Supervisor
from stack.tour import make_tour

READY_SECONDS = 60.0
REDIS_SECONDS = 30.0

ABOUT = """
Starts a private Redis, the auth service, the resource service and the gateway, and stops them all on Ctrl-C.
The environment says how; every setting is in .env.example. Those asked for most:
"""
SETTINGS = """
  GATEWAY_PORT   port of the gateway (8000)
  DATA_DIR       folder for databases, keys and secrets (.data)
  REDIS_URL      a Redis of your own instead of the private one
  DATABASE_URL   a PostgreSQL instead of SQLite files
  GATEWAY_ROUTES your own routes (gateway/routes.toml)
  APP_ENV        production: nothing is embedded, nothing generated
"""


def main() -> int:
    """Exit status: 0 stopped as asked, 1 something died, 2 not started, with the settings to mend named."""
    asked = _arguments()
    os.umask(0o077)  # databases and keys are nobody else's
    try:
        if asked.command == "run":
            return asyncio.run(_run(Console()))
        print(_carry_out(asked))
        return 0
    except StartRefused as refused:
        for complaint in refused.complaints:
            print(f"stack: {complaint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # so early that nothing was running yet
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stack",
        description=ABOUT,
        epilog=SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (run, if none is given)")
    parser.set_defaults(command="run")
    commands.add_parser("run", help="start the whole system")
    commands.add_parser("reload", help="have the gateway that runs with this DATA_DIR take up its routes file")
    auth = commands.add_parser("auth", help="run a command of the auth service; `auth --help` lists them")
    auth.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD")
    secrets = commands.add_parser("secrets", help="make those secrets of docker-compose.yml that are missing")
    folder = Path(os.environ.get("SECRETS_DIR") or ".data/secrets")
    secrets.add_argument("folder", nargs="?", type=Path, default=folder, help=f"where they are kept ({folder})")
    # Its own options, --help among them, are the auth service's.
    if sys.argv[1:2] == ["auth"]:
        return argparse.Namespace(command="auth", words=sys.argv[2:])
    return parser.parse_args()


def _carry_out(asked: argparse.Namespace) -> str:
    if asked.command == "secrets":
        return make_secrets_of(asked.folder)
    settings = read_settings(os.environ, Path.cwd())
    if asked.command == "auth":
        run_auth_command(settings, asked.words)
    return reload_gateway(settings)


async def _run(console: Console) -> int:
    settings = _read_settings()
    lock = _claim(settings)
    _prepare(settings, console)
    supervisor = Supervisor(console, lock)
    supervisor.heed_signals()
    try:
        await supervisor.unless_ended(_bring_up(make_plan(settings), supervisor, console))
        return await supervisor.until_ended()
    except StopAsked as asked:
        console.say(f"{asked}: stopping")
        return 0
    except (ProcessDied, NotReady) as problem:
        console.say(f"{problem}: stopping the rest")
        return 1
    finally:
        await supervisor.stop()
        console.say("stopped")


def _read_settings() -> Settings:
    try:
        return read_settings(os.environ, Path.cwd())
    except SettingsRefused as refused:
        raise _with_service_complaints(refused.settings, refused.complaints) from refused


def _claim(settings: Settings) -> int:
    lock = claim_data_dir(settings.data_dir)
    claim_run_dir(settings.run_dir)
    gateway_pid_file(settings).unlink(missing_ok=True)  # of a gateway that was killed: the lock says that it is gone
    complaints: list[str] = []
    for check in (check_ports, _check_redis):
        try:
            check(settings)
        except StartRefused as refused:
            complaints += refused.complaints
    if complaints:
        raise _with_service_complaints(settings, complaints)
    return lock


def _check_redis(settings: Settings) -> None:
    if settings.embeds_redis:
        return
    # Imported where it is needed: the client takes longer to load than all the rest.
    from stack.given_redis import check_redis

    check_redis(settings.given)


def _with_service_complaints(settings: Settings, complaints: Sequence[str]) -> StartRefused:
    return StartRefused(*complaints, *service_problems(settings, complaints))


def _prepare(settings: Settings, console: Console) -> None:
    if settings.is_production:
        return
    try:
        with console.step(f"keys and secrets in {settings.data_dir}"):
            make_secrets(settings.data_dir, settings.generated)
    except OSError as problem:
        raise StartRefused(f"DATA_DIR {settings.data_dir} cannot be used: {problem.strerror}") from problem


async def _bring_up(plan: Plan, supervisor: Supervisor, console: Console) -> None:
    settings = plan.settings
    if settings.embeds_redis:
        with console.step(f"redis on {plan.redis_socket}"):
            await _start_redis(plan, supervisor)
    with console.step("settings checked, databases migrated"):
        await supervisor.run_to_end(*plan.checks, *plan.migrations)
    with console.step("auth, resource and gateway are ready"):
        await supervisor.keep_running(*plan.services)
        await supervisor.keep_running(plan.front)
        # The gateway last: asked before it has the auth service's keys, it would only log that it is not ready.
        for name in ("auth", "resource", "gateway"):
            await wait_for(name, partial(http_problem, settings.address_of(name), "/readyz"), READY_SECONDS)
    console.say(f"Sallyport is ready on {settings.gateway.url}; Ctrl-C stops it")
    if isinstance(settings.gateway, Port):
        console.say("a tour to paste into another terminal:")
        console.write(make_tour(settings.gateway.url, settings.grace).encode())


async def _start_redis(plan: Plan, supervisor: Supervisor) -> None:
    plan.redis_folder.mkdir(mode=0o700, exist_ok=True)
    await supervisor.keep_running(
        redis_command(find_server(), plan.redis_socket, plan.redis_folder, {"PATH": os.defpath})
    )
    await wait_for("redis", partial(redis_problem, UnixSocket(plan.redis_socket)), REDIS_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
