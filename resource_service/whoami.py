"""/api/whoami: the identity of the caller, as the gateway asserts it."""

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict, Field

from resource_service.api_description import described
from resource_service.json_bodies import json_response
from sallyport_service.flask import current_identity, identity_required

whoami_endpoint = Blueprint("whoami", __name__)


class WhoAmIResponse(BaseModel):
    """The identity of the caller."""

    model_config = ConfigDict(frozen=True)

    sub: str = Field(examples=["5c7e9b1d-3f5a-4c9e-8b0d-1f3a9f2c4e6a"])
    sid: str = Field(examples=["9f2c4e6a8b0d1f3a5c7e9b1d3f5a7c9e"])
    email: str = Field(examples=["ann@example.org"])
    roles: tuple[str, ...] = Field(examples=[["staff"]])


@whoami_endpoint.get("/api/whoami")
@described(returns={200: WhoAmIResponse})
@identity_required
def whoami() -> Response:
    """Return the identity of the caller."""
    caller = current_identity()
    return json_response(
        WhoAmIResponse(sub=caller.subject, sid=caller.session, email=caller.email, roles=caller.roles)
    )
