"""Bodies of /auth/audit/: the audit trail of the caller's account."""

from collections.abc import Mapping

from auth_service.api.models.base import ResponseBody, Timestamp


class AuditEventResponse(ResponseBody):
    """An event of the audit trail."""

    id: int
    at: Timestamp
    event: str
    session: str | None
    address: str
    device: str
    detail: Mapping[str, str | int]
