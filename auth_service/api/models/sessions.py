"""Bodies of /auth/sessions/: the caller's sessions."""

from typing import Self

from auth_service.api.models.base import Address, Device, ListResponse, ResponseBody, SessionId, Timestamp
from auth_service.sessions.store import ListedSession


class SessionResponse(ResponseBody):
    """A live session. `current` is true for the session of the request's access token."""

    id: SessionId
    device: Device
    address: Address
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp
    current: bool

    @classmethod
    def of(cls, session: ListedSession, *, current: str) -> Self:
        """Return the response for a session. `current` is the `sid` of the request's access token."""
        return cls(
            id=session.sid,
            device=session.device,
            address=session.address,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            current=session.sid == current,
        )


class SessionListResponse(ListResponse[SessionResponse]):
    """The caller's live sessions."""
