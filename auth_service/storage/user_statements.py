"""SQL statements on users that frequent requests run."""

from sqlalchemy import Boolean, Uuid

from auth_service.storage.prepared_statement import PreparedStatement

USER_COLUMNS = (
    "users.id AS account_id, email, first_name, last_name, roles, is_active, password_hash, password_changed_at"
)
"""In the order of the fields of User."""


def _find(condition: str) -> PreparedStatement:
    return PreparedStatement(
        f"SELECT {USER_COLUMNS} FROM users WHERE {condition}",  # noqa: S608 - built from constants only
        parameters={"user_id": Uuid()} if ":user_id" in condition else None,
        columns={"account_id": Uuid(), "is_active": Boolean()},
    )


FIND_BY_ID = _find("id = :user_id")
FIND_BY_EMAIL = _find("email_folded IN (:email_key, :legacy_key) ORDER BY email_folded = :legacy_key DESC LIMIT 1")
"""Find the user of a mailbox. If two accounts have it, the one with this `legacy_key` comes first."""

LOG_IN = PreparedStatement(
    """
    UPDATE users SET last_login_at = :now, password_hash = :password_hash
    WHERE id = :user_id AND is_active AND password_changed_at = :password_changed_at
""",
    parameters={"user_id": Uuid()},
)
"""Record a log-in if the user is still active and has the password that was verified.

The statement locks the row, so a concurrent password change or deactivation waits and then ends the new session too.
"""

REGISTER = PreparedStatement(
    """
    INSERT INTO users (id, email, email_folded, password_hash, first_name, last_name, roles, is_active, created_at,
        password_changed_at)
    VALUES (:id, :email, :email_folded, :password_hash, :first_name, :last_name, :roles, true, :now, :now)
    ON CONFLICT (email_folded) DO NOTHING
""",
    parameters={"id": Uuid()},
)
"""Insert a user unless another one has registered with this mailbox."""
