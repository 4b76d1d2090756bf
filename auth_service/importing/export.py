"""Export users as JSON Lines, in the form that `import-users jsonl` reads: nobody is locked in."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from auth_service.accounts.user import AccountStatus
from auth_service.importing.store import ExportedUser, ImportStore


def exported_lines(store: ImportStore) -> Iterator[str]:
    """Yield a line for each user. It contains the password hash: treat the file like the database."""
    for user in store.exported_users():
        yield json.dumps(_members(user), ensure_ascii=False)


def _members(user: ExportedUser) -> dict[str, object]:
    return {
        "id": user.user_id,
        "email": user.email,
        "password_hash": user.password_hash,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "roles": user.roles.split(),
        "is_active": user.status is AccountStatus.ACTIVE,
        "status": user.status.value,
        "created_at": _time(user.created_at),
        "last_login_at": _time(user.last_login_at),
        "email_verified_at": _time(user.email_verified_at),
        "language": user.language,
        "imported_from": dict(user.imported_from),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
