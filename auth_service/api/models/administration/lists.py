"""Bodies of /auth/admin/: the sessions and audit records of all users, signing keys and figures."""

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, Self
from uuid import UUID

from pydantic import Field

from auth_service.accounts.user import AccountStatus
from auth_service.administration.figures import Figures
from auth_service.api.models.audit import AuditEventResponse
from auth_service.api.models.base import Address, Device, Item, ListResponse, ResponseBody, SessionId, Timestamp
from auth_service.audit.store import AuditEntry
from auth_service.audit.trail import RecordName
from auth_service.sessions.store import OwnedSession


class SliceResponse(ResponseBody, Generic[Item]):
    """A part of a long list that is not counted. `next` is the path of the next part, or null."""

    next: str | None = Field(examples=["/auth/admin/audit/?before=4711"])
    results: Sequence[Item]


class AuditRecordResponse(AuditEventResponse):
    """An audit record of any account. `user_id` is null for an unknown account, `email` for a deleted one too."""

    user_id: UUID | None = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])
    email: str | None = Field(examples=["ann@example.org"])

    @classmethod
    def of_entry(cls, entry: AuditEntry, emails: Mapping[UUID, str]) -> Self:
        """Return the response for a record. `emails` are the addresses of users by id."""
        event = AuditEventResponse.model_validate(entry)
        email = emails.get(entry.user_id) if entry.user_id else None
        return cls(**dict(event), user_id=entry.user_id, email=email)


class OwnedSessionResponse(ResponseBody):
    """A live session with its user."""

    id: SessionId
    user_id: UUID = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])
    email: str = Field(examples=["ann@example.org"])
    device: Device
    address: Address
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp

    @classmethod
    def of(cls, owned: OwnedSession) -> Self:
        """Return the response for a session."""
        session = owned.session
        return cls(
            id=session.sid,
            user_id=owned.user_id,
            email=owned.email,
            device=session.device,
            address=session.address,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )


class KeyResponse(ResponseBody):
    """A key of access tokens: the one that signs, or the next or previous one.

    Every token that it signed expires by `tokens_expire_at`; null if it signed none.
    """

    role: Literal["signing", "accepted"] = Field(examples=["signing"])
    kid: str = Field(examples=["pJ8Tz0o0YBqZ3yQfB4b9m3m2nJm0J1o6JkK2v4q7cXs"])
    algorithm: str = Field(examples=["EdDSA"])
    tokens_expire_at: Timestamp | None


class KeyListResponse(ListResponse[KeyResponse]):
    """The keys that verify access tokens, the signing key first."""


class HourResponse(ResponseBody):
    """The number of audit records in one hour, by event."""

    start: Timestamp
    counts: Mapping[RecordName, int] = Field(examples=[{"login_ok": 12, "login_failed": 1}])


class FiguresResponse(ResponseBody):
    """Users by status, live sessions, mails in the outbox, and audit records of the last 24 hours."""

    at: Timestamp
    users: Mapping[AccountStatus, int] = Field(examples=[{"active": 120, "unverified": 3, "barred": 1}])
    live_sessions: int = Field(examples=[180])
    mails_waiting: int = Field(examples=[0])
    hours: Sequence[HourResponse]

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """Return the response for the figures."""
        return cls.model_validate(figures)
