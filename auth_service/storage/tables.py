"""Where the version of the service's tables is kept, and what makes them."""

from pathlib import Path

from chassis.sql.startup_check import Tables

# A database may be shared with other services; each keeps its own record of migrations.
TABLES = Tables("auth_alembic_version", Path(__file__).with_name("migrations"), "python -m auth_service migrate")
