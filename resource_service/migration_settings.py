"""The migrations of this service: their folder, the table with the schema version, and the migrate command."""

from pathlib import Path

from chassis.sql.startup_check import MigrationSettings

MIGRATIONS = MigrationSettings(
    version_table="notes_alembic_version",  # services can share a database, so each has its own version table
    folder=Path(__file__).with_name("migrations"),
    command="python -m resource_service migrate",
)
