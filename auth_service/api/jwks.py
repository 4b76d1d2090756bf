"""Owns the JWK set: the public keys by which anybody verifies an access token (RFC 7517)."""

from flask import Blueprint, Response, jsonify

from auth_service.services import services

MAX_AGE = 300
"""Seconds that a JWK set may be cached. A key that is taken away is refused within them."""

key_endpoints = Blueprint("keys", __name__)


@key_endpoints.get("/.well-known/jwks.json")
@key_endpoints.get("/auth/.well-known/jwks.json")
def jwks() -> Response:
    """200 the keys that verify, the signing one first."""
    response = jsonify(services().keys.to_jwk_set())
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
