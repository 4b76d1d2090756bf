"""The name of the table with the schema version, and the folder of the migrations."""

from pathlib import Path

from chassis.sql.startup_check import Tables

# Services may share a database; each has a schema version of its own.
TABLES = Tables("auth_alembic_version", Path(__file__).with_name("migrations"), "python -m auth_service migrate")
