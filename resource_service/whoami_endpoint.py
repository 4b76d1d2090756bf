"""/api/whoami: the caller, as the gateway's assertion names it."""

from flask import Blueprint, Response

from resource_service.api_models import WhoAmIResponse
from resource_service.identity import current_identity, identity_required
from resource_service.json_bodies import json_response

whoami_endpoint = Blueprint("whoami", __name__)


@whoami_endpoint.get("/api/whoami")
@identity_required
def whoami() -> Response:
    """Return the caller."""
    caller = current_identity()
    return json_response(
        WhoAmIResponse(sub=caller.subject, sid=caller.session, email=caller.email, roles=caller.roles)
    )
