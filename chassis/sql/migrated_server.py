"""The command `serve` of a service with a database: migrate the tables if needed, then run the server.

It is for a system with one instance of each service, such as that of `make run`. Elsewhere, migrate before the start.
"""

import subprocess
import sys
from typing import NoReturn

from gunicorn.app.wsgiapp import run

from chassis.sql.startup_check import MigrationSettings, exit_if_unusable, is_migrated


def serve(package: str, url: str, migrations: MigrationSettings) -> NoReturn:
    """Migrate the database at `url` if needed, then run the server of `package` until it is stopped.

    The server runs in this process, because the settings and SQLAlchemy, which the check imports, are most of its
    imports. The migration runs in another one, so that the server does not keep Alembic in memory.
    """
    with exit_if_unusable():
        migrated = is_migrated(url, migrations)
    if not migrated:
        command = [sys.executable, "-m", package, "migrate"]
        status = subprocess.run(command, check=False).returncode  # noqa: S603 - the package is a constant of ours
        if status:
            sys.exit(status)
    sys.argv[1:] = ["-c", f"python:{package}.gunicorn_conf"]
    run()
    sys.exit(0)
