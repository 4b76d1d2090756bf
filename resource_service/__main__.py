"""`python -m resource_service migrate` brings the database to the newest version of the tables."""

import argparse
import os

from flask_migrate import upgrade

from chassis.logs import configure_logs
from chassis.serving import settings_or_exit
from resource_service.app import create_app
from resource_service.settings import ResourceSettings


def main() -> None:
    """Runs the command the arguments name. Running `migrate` again changes nothing."""
    parser = argparse.ArgumentParser(prog="python -m resource_service", description=__doc__)
    parser.add_argument("command", choices=["migrate"])
    parser.parse_args()
    settings = settings_or_exit(ResourceSettings, os.environ)
    configure_logs("resource_service", settings.log_level)
    with create_app(settings).app_context():
        upgrade()


if __name__ == "__main__":
    main()
