"""Bodies of the requests of the gateway: usage reports, and tokens of a Django project to exchange."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from auth_service.api.models.base import RequestBody, ResponseBody, Token
from contract.internal_api import MAX_REPORTED_SESSIONS

Generation = Annotated[StrictInt, Field(ge=0, lt=2**31)]
"""A generation that its column, an INTEGER of PostgreSQL, can have."""


class UsageReportRequest(BaseModel):
    """Pairs of a session id and a generation that a client has presented."""

    model_config = ConfigDict(frozen=True)

    seen: list[tuple[StrictStr, Generation]] = Field(
        max_length=MAX_REPORTED_SESSIONS, examples=[[["9f2c4e6a8b0d1f3a5c7e9b1d3f5a7c9e", 3]]]
    )

    def highest_generations(self) -> dict[str, int]:
        """Return the highest reported generation of each session."""
        highest: dict[str, int] = {}
        for sid, generation in self.seen:
            highest[sid] = max(generation, highest.get(sid, 0))
        return highest


class ForeignTokenRequest(RequestBody):
    """An access token of the project."""

    token: Token


class ForeignTokenResponse(ResponseBody):
    """An access token of this service for the same user, with the same expiry."""

    access: Token
