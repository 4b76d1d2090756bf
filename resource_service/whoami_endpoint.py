"""Answers /api/whoami: the caller as the gateway vouches for them."""

from flask import Blueprint, Response, jsonify

from resource_service.identity import current_identity, identity_required

whoami_endpoint = Blueprint("whoami", __name__)


@whoami_endpoint.get("/api/whoami")
@identity_required
def whoami() -> Response:
    identity = current_identity()
    return jsonify(sub=identity.subject, sid=identity.session, email=identity.email, roles=list(identity.roles))
