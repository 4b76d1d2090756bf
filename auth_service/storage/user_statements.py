"""SQL statements on users that every log-in or authenticated request runs, as text.

SQLAlchemy's expressions take longer to build than these statements take to run. The text is valid for SQLite and
PostgreSQL.
"""

from sqlalchemy import Boolean, Uuid, bindparam, text

_COLUMNS = "id, email, first_name, last_name, roles, is_active, password_hash, password_changed_at"

FIND_BY_ID = (
    text(f"SELECT {_COLUMNS} FROM users WHERE id = :user_id")  # noqa: S608 - of constants
    .bindparams(bindparam("user_id", type_=Uuid()))
    .columns(id=Uuid(), is_active=Boolean())
)

FIND_BY_EMAIL = text(f"""
    SELECT {_COLUMNS}
    FROM users WHERE email_folded IN (:email_key, :own_key)
    ORDER BY email_folded = :own_key DESC LIMIT 1
""").columns(id=Uuid(), is_active=Boolean())  # noqa: S608 - of constants

LOG_IN = text("""
    UPDATE users SET last_login_at = :now, password_hash = :password_hash
    WHERE id = :user_id AND is_active AND password_changed_at = :password_changed_at
""").bindparams(bindparam("user_id", type_=Uuid()))
"""Only if the password is still the one that was verified. It locks the row: a password change or a deactivation that
runs at the same time cannot miss the session that this transaction adds."""

REGISTER = text("""
    INSERT INTO users (id, email, email_folded, password_hash, first_name, last_name, roles, is_active, created_at,
        password_changed_at)
    VALUES (:id, :email, :email_folded, :password_hash, :first_name, :last_name, :roles, true, :now, :now)
    ON CONFLICT (email_folded) DO NOTHING
""").bindparams(bindparam("id", type_=Uuid()))
"""Unless the mailbox is registered."""
