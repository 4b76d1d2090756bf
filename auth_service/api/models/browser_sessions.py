"""Bodies of /internal/sessions: the gateway opens, exchanges and ends browser sessions."""

from typing import Annotated

from pydantic import Field, StringConstraints

from auth_service.api.models.base import (
    Address,
    Device,
    LoginEmail,
    Password,
    RequestBody,
    ResponseBody,
    Token,
    Trimmed,
)
from auth_service.api.models.users import UserResponse
from auth_service.api.request_body import MAX_BODY
from auth_service.events.client import MAX_ADDRESS
from contract.internal_api import HANDLE_HASH

HandleHash = Annotated[
    str, StringConstraints(min_length=1, pattern=f"^{HANDLE_HASH}$"), Trimmed, Field(examples=["0" * 64])
]
"""SHA-256 of a browser's session handle, in lower-case hexadecimal digits."""


DeviceToken = Annotated[str, Field(repr=False, examples=["6b49d200.S8xNoL1tEPv2vPzVTyz93g.9ON12yX1e-9w4M2UPUMbYA"])]
"""The value of the cookie of contract/device_cookie.py."""


class OpenSessionRequest(RequestBody):
    """A log-in by a browser. It ends the session whose handle has the hash `replaces`."""

    email: LoginEmail
    password: Password
    handle_hash: HandleHash
    replaces: HandleHash | None = None
    device: Annotated[Device, StringConstraints(max_length=MAX_BODY), Trimmed] = ""
    """Truncated to the length of its column when it is stored."""
    address: Annotated[Address, StringConstraints(max_length=MAX_ADDRESS), Trimmed] = ""
    device_token: Annotated[DeviceToken, Trimmed] = ""
    """What the device presents to show that it has logged in before."""


class HandleRequest(RequestBody):
    """The hash of the handle of a browser session."""

    handle_hash: HandleHash


class BrowserSessionResponse(ResponseBody):
    """A new access token. `expires_at` is the end of the session, in seconds since the epoch."""

    access: Token
    expires_at: int = Field(examples=[1_800_000_000])
    user: UserResponse


class OpenedSessionResponse(BrowserSessionResponse):
    """The response to a log-in. `device_token` is what the device is to present at the next one."""

    device_token: DeviceToken
