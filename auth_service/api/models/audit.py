"""Bodies of /auth/audit/: the audit trail of the caller's account."""

from collections.abc import Mapping

from pydantic import Field

from auth_service.api.models.base import Address, Device, ResponseBody, SessionId, Timestamp


class AuditEventResponse(ResponseBody):
    """An event of the audit trail."""

    id: int = Field(examples=[4711])
    at: Timestamp
    event: str = Field(examples=["login_ok"])
    session: SessionId | None
    address: Address
    device: Device
    detail: Mapping[str, str | int] = Field(examples=[{"reason": "wrong password"}])
