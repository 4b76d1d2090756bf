"""Check the rows of a source: return a user to import, and the problems of the row's fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from auth_service.accounts.email_addresses import email_key, is_email
from auth_service.accounts.foreign_hashes.foreign_hash import UnsupportedHash
from auth_service.accounts.foreign_hashes.scheme import ForeignHashes
from auth_service.accounts.foreign_ids import read_uuid
from auth_service.accounts.user import MAX_EMAIL, MAX_LANGUAGE, MAX_NAME, MAX_ROLES, AccountStatus
from auth_service.importing.field_values import read_flag, read_roles, read_text, read_time
from auth_service.importing.imported_user import MAX_KEY, ImportedUser, derived_id
from auth_service.importing.report import Outcome, Problem
from auth_service.importing.source_row import SourceRow

_ROLE = re.compile(r"[!-~]+", re.ASCII)


class _Skipped(Exception):
    """The row cannot be imported."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


class _Note(Protocol):
    """Adds a problem of the row that is checked."""

    def __call__(self, field: str, reason: str, outcome: Outcome = Outcome.CHANGED) -> None: ...


@dataclass(frozen=True, slots=True)
class RowChecks:
    """Checks rows of `source`. Users who are inactive there get the status `inactive_status`."""

    source: str
    hashes: ForeignHashes
    inactive_status: AccountStatus = AccountStatus.BARRED

    def check(self, row: SourceRow, now: float) -> tuple[ImportedUser | None, list[Problem]]:
        """Return the user of a row, or None if it must be skipped, and the problems."""
        problems: list[Problem] = []
        key = ""

        def note(field: str, reason: str, outcome: Outcome = Outcome.CHANGED) -> None:
            problems.append(Problem(row.number, key, field, reason, outcome))

        try:
            key = _key(row.fields)
            user = self._user(row, key, now, note)
        except _Skipped as skipped:
            # The other problems of a skipped row do not matter.
            return None, [Problem(row.number, key, skipped.field, skipped.reason, Outcome.SKIPPED)]
        return user, problems

    def _user(self, row: SourceRow, key: str, now: float, note: _Note) -> ImportedUser:
        fields = row.fields
        email = _email(fields)
        created_at = _time(fields, "created_at", now, note) or now
        verified = fields.get("email_verified_at")
        verified_at = created_at if verified is True else _time(fields, "email_verified_at", now, note)
        return ImportedUser(
            row=row.number,
            key=key,
            user_id=read_uuid(key) or derived_id(self.source, key),
            email=email,
            email_key=email_key(email),
            password_hash=self._password_hash(fields, note),
            first_name=_name(fields, "first_name", note),
            last_name=_name(fields, "last_name", note),
            roles=_roles(fields, note),
            status=self._status(fields),
            created_at=created_at,
            last_login_at=_time(fields, "last_login_at", now, note),
            email_verified_at=verified_at,
            language=_language(fields),
        )

    def _status(self, fields: Mapping[str, object]) -> AccountStatus:
        status = fields.get("status")
        if status:
            try:
                return AccountStatus(str(status))
            except ValueError as error:
                raise _Skipped("status", f"is none of {', '.join(AccountStatus)}") from error
        is_active = read_flag(fields.get("is_active"), default=True)
        if is_active is None:
            raise _Skipped("is_active", "is neither true nor false")
        return AccountStatus.ACTIVE if is_active else self.inactive_status

    def _password_hash(self, fields: Mapping[str, object], note: _Note) -> str:
        stored = fields.get("password_hash")
        if stored is None or stored == "" or (isinstance(stored, str) and stored.startswith("!")):
            note("password_hash", "there is no usable password", Outcome.WITHOUT_PASSWORD)
            return ""
        if not isinstance(stored, str):
            note("password_hash", "is not text", Outcome.WITHOUT_PASSWORD)
            return ""
        try:
            self.hashes.read(stored)
        except UnsupportedHash as error:
            note("password_hash", error.reason, Outcome.WITHOUT_PASSWORD)
            return ""
        # Django puts the name of the algorithm before the PHC string. Without it, one scheme verifies all argon2id.
        return stored.removeprefix("argon2") if stored.startswith("argon2$") else stored


def _key(fields: Mapping[str, object]) -> str:
    value = fields.get("id")
    if value is None or value == "":
        raise _Skipped("id", "is missing")
    key = str(value)
    if not isinstance(value, str | int | UUID) or isinstance(value, bool) or not key.isprintable():
        raise _Skipped("id", "is neither text, a number nor a UUID")
    if len(key) > MAX_KEY:
        raise _Skipped("id", f"is longer than {MAX_KEY} characters")
    # Django stores a UUID in SQLite without hyphens. Its tokens have the hyphens.
    return key if isinstance(value, int) else str(read_uuid(key) or key)


def _email(fields: Mapping[str, object]) -> str:
    value = fields.get("email")
    if value is None or value == "":
        raise _Skipped("email", "is missing")
    email = value.strip() if isinstance(value, str) else ""
    if not email or not is_email(email):
        raise _Skipped("email", "is not a valid e-mail address")
    if len(email) > MAX_EMAIL:
        raise _Skipped("email", f"is longer than {MAX_EMAIL} characters")
    return email


def _name(fields: Mapping[str, object], field: str, note: _Note) -> str:
    text, is_changed = read_text(fields.get(field), MAX_NAME)
    if is_changed:
        note(field, f"was longer than {MAX_NAME} characters, or had control characters, or was not text")
    return text


def _roles(fields: Mapping[str, object], note: _Note) -> str:
    usable: list[str] = []
    for role in read_roles(fields.get("roles")):
        if not _ROLE.fullmatch(role):
            note("roles", "a role that is not one word of ASCII characters was left out")
        elif len(" ".join([*usable, role])) > MAX_ROLES:
            note("roles", f"roles beyond {MAX_ROLES} characters were left out")
        elif role not in usable:
            usable.append(role)
    return " ".join(usable)


def _time(fields: Mapping[str, object], field: str, now: float, note: _Note) -> float | None:
    value = fields.get(field)
    if value is None or value == "" or value is False:
        return None
    seconds = read_time(value)
    if seconds is None:
        note(field, "is not a time and was left out")
        return None
    return min(seconds, now)


def _language(fields: Mapping[str, object]) -> str:
    value = fields.get("language")
    return value if isinstance(value, str) and len(value) <= MAX_LANGUAGE and value.isascii() else ""
