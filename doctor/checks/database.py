"""Databases whose tables are old, that are used unencrypted, or that have too few connections."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from doctor.finding import Problem, error, warning
from doctor.probes.ports import is_public

if TYPE_CHECKING:
    from doctor.probes.database import DatabaseFacts


def migrations(database: "DatabaseFacts") -> Iterator[Problem]:
    """Return whether the tables are older than this release needs."""
    if database.stored in database.known - {database.head}:
        yield error(
            f"The tables of the {database.service} are at version {database.stored}, this release needs "
            f"{database.head}.",
            f"Run `{database.migrate_command}`.",
        )
    elif database.stored is None:
        yield error(f"The tables of the {database.service} do not exist.", f"Run `{database.migrate_command}`.")


def encryption(database: "DatabaseFacts") -> Iterator[Problem]:
    """Return whether the database is used unencrypted over the Internet."""
    if database.is_postgresql and not database.is_encrypted and database.host and is_public(database.host):
        yield error(
            f"The {database.service} sends data unencrypted to the public address {database.host}.",
            "Add `?sslmode=verify-full` to DATABASE_URL, or use a private network.",
        )


def connections(used: dict[str, int], database: "DatabaseFacts") -> Iterator[Problem]:
    """Return whether the services may want more connections than the server has. `used` is by service."""
    wanted = sum(used.values())
    if database.is_postgresql and wanted > database.max_connections:
        parts = ", ".join(f"{name} {number}" for name, number in used.items())
        yield warning(
            f"The services may open {wanted} connections ({parts}), and PostgreSQL has {database.max_connections} "
            "for them.",
            "Raise max_connections, or lower AUTH_WORKERS, AUTH_THREADS, HASH_QUEUE, RESOURCE_WORKERS or "
            "RESOURCE_THREADS.",
        )
