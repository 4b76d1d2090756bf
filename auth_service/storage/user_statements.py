"""SQL statements on users that frequent requests run, as SQL text for SQLite and PostgreSQL.

SQLAlchemy takes longer to build such a statement from expressions than the database takes to run it.
"""

from sqlalchemy import Boolean, Uuid, bindparam, text

_COLUMNS = "id, email, first_name, last_name, roles, is_active, password_hash, password_changed_at"

FIND_BY_ID = (
    text(f"SELECT {_COLUMNS} FROM users WHERE id = :user_id")  # noqa: S608 - built from constants only
    .bindparams(bindparam("user_id", type_=Uuid()))
    .columns(id=Uuid(), is_active=Boolean())
)

FIND_BY_EMAIL = text(f"""
    SELECT {_COLUMNS}
    FROM users WHERE email_folded IN (:email_key, :legacy_key)
    ORDER BY email_folded = :legacy_key DESC LIMIT 1
""").columns(id=Uuid(), is_active=Boolean())  # noqa: S608 - built from constants only
"""Find the user of a mailbox. If two accounts have it, the one with this `legacy_key` comes first."""

LOG_IN = text("""
    UPDATE users SET last_login_at = :now, password_hash = :password_hash
    WHERE id = :user_id AND is_active AND password_changed_at = :password_changed_at
""").bindparams(bindparam("user_id", type_=Uuid()))
"""Record a log-in if the user is still active and has the password that was verified.

The statement locks the row, so a concurrent password change or deactivation waits and then ends the new session too.
"""

REGISTER = text("""
    INSERT INTO users (id, email, email_folded, password_hash, first_name, last_name, roles, is_active, created_at,
        password_changed_at)
    VALUES (:id, :email, :email_folded, :password_hash, :first_name, :last_name, :roles, true, :now, :now)
    ON CONFLICT (email_folded) DO NOTHING
""").bindparams(bindparam("id", type_=Uuid()))
"""Insert a user unless another one has registered with this mailbox."""
