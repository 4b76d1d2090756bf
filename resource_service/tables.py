"""The table that stores the schema version, and the migrations that change the schema."""

from pathlib import Path

from chassis.sql.startup_check import Tables

# Services can share a database, so each has its own version table.
TABLES = Tables("notes_alembic_version", Path(__file__).with_name("migrations"), "python -m resource_service migrate")
