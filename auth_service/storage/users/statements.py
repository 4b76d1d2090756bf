"""SQL statements on users that frequent requests run."""

from sqlalchemy import Uuid

from auth_service.storage.models import STATUS
from auth_service.storage.prepared_statement import PreparedStatement, Types

USER_COLUMNS = (
    "users.id AS account_id, email, first_name, last_name, roles, status, password_hash, password_changed_at, "
    "email_changed_at, email_verified_at, language"
)
"""In the order of the fields of User."""
USER_COLUMN_TYPES: Types = {"account_id": Uuid(), "status": STATUS}
"""The types of the columns that need a conversion."""


def _find(condition: str) -> PreparedStatement:
    return PreparedStatement(
        f"SELECT {USER_COLUMNS} FROM users WHERE {condition}",  # noqa: S608 - built from constants only
        parameters={"user_id": Uuid()} if ":user_id" in condition else None,
        columns=USER_COLUMN_TYPES,
    )


FIND_BY_ID = _find("id = :user_id")
FIND_BY_EMAIL = _find("email_folded IN (:email_key, :legacy_key) ORDER BY email_folded = :legacy_key DESC LIMIT 1")
"""Find the user of a mailbox. If two accounts have it, the one with this `legacy_key` comes first."""

LOG_IN = PreparedStatement(
    """
    UPDATE users SET last_login_at = :now, password_hash = :password_hash
    WHERE id = :user_id AND status = 'active' AND password_changed_at = :password_changed_at
""",
    parameters={"user_id": Uuid()},
)
"""Record a log-in if the user is still active and has the password that was verified.

The statement locks the row, so a concurrent password change or deactivation waits and then ends the new session too.
"""

REGISTER = PreparedStatement(
    """
    INSERT INTO users (id, email, email_folded, password_hash, first_name, last_name, roles, status, language,
        created_at, password_changed_at, email_changed_at)
    VALUES (:id, :email, :email_folded, :password_hash, :first_name, :last_name, :roles, :status, :language, :now,
        :now, :now)
    ON CONFLICT (email_folded) DO NOTHING
""",
    parameters={"id": Uuid(), "status": STATUS},
)
"""Insert a user unless another one has registered with this mailbox."""
