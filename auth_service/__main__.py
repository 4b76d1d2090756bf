"""`python -m auth_service COMMAND`: the operator's commands."""

import os
import sys

from auth_service.settings import AuthSettings, ServingSettings
from auth_service.storage.migration_settings import MIGRATIONS
from chassis.sql.startup_check import exit_if_unusable, is_migrated
from chassis.startup import settings_or_exit


def main() -> None:
    """Run the command in the arguments."""
    if sys.argv[1:] == ["migrate"] and _is_migrated():
        return
    # Imported here, because it imports the application and Alembic: half of the time of a start with migrated tables.
    from auth_service.cli import commands

    commands(prog_name="python -m auth_service")


def _is_migrated() -> bool:
    settings = settings_or_exit(AuthSettings, os.environ, ServingSettings)
    with exit_if_unusable():
        return is_migrated(settings.database_url.get_secret_value(), MIGRATIONS)


if __name__ == "__main__":
    main()
