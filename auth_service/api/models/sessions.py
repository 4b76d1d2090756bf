"""Bodies of /auth/sessions/: the caller's sessions."""

from auth_service.api.models.base import Address, Device, ListResponse, ResponseBody, SessionId, Timestamp


class SessionResponse(ResponseBody):
    """A live session. `current` is true for the session of the request's access token."""

    id: SessionId
    device: Device
    address: Address
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp
    current: bool


class SessionListResponse(ListResponse[SessionResponse]):
    """The caller's live sessions."""
