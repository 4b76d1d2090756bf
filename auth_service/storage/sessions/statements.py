"""SQL statements on sessions that frequent requests run."""

from sqlalchemy import JSON, Uuid

from auth_service.storage.prepared_statement import PreparedStatement
from auth_service.storage.users.statements import USER_COLUMN_TYPES, USER_COLUMNS

# In the order in which store._session reads them.
_COLUMNS = (
    "sessions.id, user_id, generation, seen_generation, rotated_at, recent_rotations, expires_at, revoked_at, "
    "access_expires_at"
)
SESSION_COLUMN_COUNT = 9


def _find(condition: str) -> PreparedStatement:
    return PreparedStatement(
        f"SELECT {_COLUMNS} FROM sessions WHERE {condition}",  # noqa: S608 - built from constants only
        columns={"user_id": Uuid(), "recent_rotations": JSON()},
    )


FIND = _find("id = :sid")
FIND_BY_HANDLE = _find("handle_hash = :handle_hash")

FIND_WITH_USER = PreparedStatement(
    f"""
        SELECT {_COLUMNS}, {USER_COLUMNS}
        FROM users LEFT JOIN sessions ON sessions.id = :sid AND sessions.user_id = users.id
        WHERE users.id = :user_id
    """,  # noqa: S608 - built from constants only
    parameters={"user_id": Uuid()},
    columns={"user_id": Uuid(), "recent_rotations": JSON(), **USER_COLUMN_TYPES},
)
"""Find a user with a session. The session's columns are NULL if it does not belong to the user."""

OPEN = PreparedStatement(
    """
    INSERT INTO sessions (id, user_id, generation, seen_generation, rotated_at, recent_rotations, grace_began_at,
        handle_hash, created_at, last_used_at, authenticated_at, expires_at, access_expires_at, device, address)
    VALUES (:id, :user_id, 0, 0, :now, :recent_rotations, 0, :handle_hash, :now, :now, :now, :expires_at,
        :access_expires_at, :device, :address)
    ON CONFLICT (handle_hash) DO NOTHING
""",
    parameters={"user_id": Uuid(), "recent_rotations": JSON()},
)
"""Insert a session unless another one has the same handle."""

ROTATE = PreparedStatement(
    """
    UPDATE sessions
    SET generation = generation + 1, seen_generation = :presented, rotated_at = :now, grace_began_at = :now,
        recent_rotations = :recent_rotations, last_used_at = :now,
        access_expires_at =
            CASE WHEN access_expires_at < :access_needed THEN :access_raised ELSE access_expires_at END
    WHERE id = :sid AND user_id = :user_id AND generation = :presented
        AND revoked_at IS NULL AND expires_at > :now AND rotated_at > :idle_since AND grace_began_at <= :grace_over
        AND EXISTS (SELECT 1 FROM users WHERE users.id = sessions.user_id AND users.status = 'active')
    RETURNING (SELECT email FROM users WHERE users.id = sessions.user_id),
        (SELECT roles FROM users WHERE users.id = sessions.user_id), expires_at, access_expires_at
""",
    parameters={"user_id": Uuid(), "recent_rotations": JSON()},
)
"""Rotate the newest token of an active user if no rotation is in grace. Returns the values for the new tokens.

A session whose last rotation was at `idle_since` or before has expired. A grace time that began at `grace_over` or
before is over. `access_expires_at` becomes `access_raised` if it is below `access_needed` (ACCESS_EXPIRY_PADDING).
"""

REPLACE = PreparedStatement(
    """
    UPDATE sessions
    SET generation = :generation, seen_generation = :seen_generation, rotated_at = :rotated_at,
        recent_rotations = :recent_rotations, grace_began_at = :grace_began_at, revoked_at = :revoked_at,
        access_expires_at = :access_expires_at, last_used_at = :now
    WHERE id = :sid AND generation = :read_generation AND seen_generation = :read_seen_generation
        AND revoked_at IS NULL AND expires_at > :now
""",
    parameters={"recent_rotations": JSON()},
)
"""Store a changed session if it has not ended and still has the generations that were read (compare and set)."""

RAISE_SEEN = PreparedStatement(
    """
    UPDATE sessions SET seen_generation = :seen
    WHERE id = :sid AND seen_generation < :seen AND generation >= :seen
"""
)
"""Raise the seen generation, unless `seen` exceeds the session's generation."""

RENEW = PreparedStatement(
    """
    UPDATE sessions
    SET rotated_at = :now, last_used_at = :now,
        access_expires_at =
            CASE WHEN access_expires_at < :access_needed THEN :access_raised ELSE access_expires_at END
    WHERE id = :sid AND revoked_at IS NULL AND expires_at > :now
"""
)
"""Restart the idle time of a browser session."""
