"""`python -m auth_service COMMAND`: the operator's commands, and `serve`: migrate if needed, then run the server."""

import os
import sys
from typing import NoReturn

from auth_service.settings import AuthSettings, ServingSettings
from auth_service.storage.migration_settings import MIGRATIONS
from chassis.sql.startup_check import exit_if_unusable, is_migrated
from chassis.startup import settings_or_exit


def main() -> None:
    """Run the command in the arguments."""
    if sys.argv[1:] == ["serve"]:
        _serve()
    if sys.argv[1:] == ["migrate"] and _is_migrated():
        return
    # Imported here, because it imports Alembic, which neither a server nor a start with migrated tables needs.
    from auth_service.cli.commands import commands

    commands(prog_name="python -m auth_service")


def _serve() -> NoReturn:
    from chassis.sql.migrated_server import serve

    serve("auth_service", _database_url(), MIGRATIONS)


def _is_migrated() -> bool:
    url = _database_url()
    with exit_if_unusable():
        return is_migrated(url, MIGRATIONS)


def _database_url() -> str:
    return settings_or_exit(AuthSettings, os.environ, ServingSettings).database_url.get_secret_value()


if __name__ == "__main__":
    main()
