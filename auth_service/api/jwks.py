"""The JWK set: the public keys that verify access tokens. RFC 7517."""

from flask import Blueprint, Response, jsonify

from auth_service.services import services

MAX_AGE = 300
"""Seconds that a cache may keep the JWK set. A removed key is refused after this time."""

key_endpoints = Blueprint("keys", __name__)


@key_endpoints.get("/.well-known/jwks.json")
@key_endpoints.get("/auth/.well-known/jwks.json")
def jwks() -> Response:
    """Return the keys that verify access tokens, the signing key first."""
    response = jsonify(services().keys.to_jwk_set())
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
