"""Sessions and audit records as the staff pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from auth_service.api.models.base import rfc3339_timestamp
from auth_service.audit.store import AuditEntry
from auth_service.mail.templates import format_time
from auth_service.pages.device import browser_and_system, short_user_agent
from auth_service.services import services
from auth_service.sessions.store import ListedSession


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session. `user_id` and `email` are those of its user."""

    sid: str
    user_id: UUID
    email: str
    device: str
    address: str
    created: str
    created_iso: str
    last_used: str
    last_used_iso: str


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """An audit record. `email` is empty if the account is unknown or deleted; `actor` names who acted, if known."""

    event: str
    at: str
    at_iso: str
    user_id: UUID | None
    email: str
    address: str
    device: str
    details: tuple[tuple[str, str], ...]


def shown_session(session: ListedSession, user_id: UUID, email: str) -> ShownSession:
    """Return a session as it is shown."""
    return ShownSession(
        session.sid,
        user_id,
        email,
        device_name(session.device),
        session.address,
        format_time(session.created_at),
        rfc3339_timestamp(session.created_at),
        format_time(session.last_used_at),
        rfc3339_timestamp(session.last_used_at),
    )


def shown_records(entries: Sequence[AuditEntry]) -> Sequence[ShownRecord]:
    """Return audit records as they are shown, with the addresses of the users and of the staff who acted."""
    ids = {user_id for entry in entries for user_id in (entry.user_id, _actor(entry)) if user_id}
    emails = services().directory.emails(ids)
    return [_shown_record(entry, emails) for entry in entries]


def _shown_record(entry: AuditEntry, emails: Mapping[UUID, str]) -> ShownRecord:
    actor = _actor(entry)
    detail = {**entry.detail, **({"actor": emails[actor]} if actor and actor in emails else {})}
    return ShownRecord(
        entry.event,
        format_time(entry.at),
        rfc3339_timestamp(entry.at),
        entry.user_id,
        emails.get(entry.user_id, "") if entry.user_id else "",
        entry.address,
        device_name(entry.device),
        tuple((name, str(value)) for name, value in detail.items() if value != ""),
    )


def _actor(entry: AuditEntry) -> UUID | None:
    """Return the id of the staff user who acted; None if the owner of the account or an operator did."""
    try:
        return UUID(str(entry.detail.get("actor", "")))
    except ValueError:
        return None


def device_name(user_agent: str) -> str:
    """Return the browser and the system of a User-Agent, or the User-Agent if they are unknown."""
    return " · ".join(filter(None, browser_and_system(user_agent))) or short_user_agent(user_agent)
