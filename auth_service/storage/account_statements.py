"""Owns the statements on users that every log-in runs, in SQL's own words.

Put together from objects each time, they take longer to build than to run. The same on SQLite and PostgreSQL.
"""

from sqlalchemy import Boolean, Uuid, bindparam, text

FIND_BY_EMAIL = text("""
    SELECT id, email, first_name, last_name, roles, is_active, password_hash, password_changed_at
    FROM users WHERE email_folded IN (:email_key, :own_key)
    ORDER BY email_folded = :own_key DESC LIMIT 1
""").columns(id=Uuid(), is_active=Boolean())

ENTER = text("""
    UPDATE users SET last_login_at = :now, password_hash = :password_hash
    WHERE id = :user_id AND is_active AND password_changed_at = :password_changed_at
""").bindparams(bindparam("user_id", type_=Uuid()))
"""If the account is still the one whose password was verified."""
