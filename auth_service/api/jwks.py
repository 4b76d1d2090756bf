"""The JWK set (RFC 7517): the public keys that verify access tokens."""

from flask import Blueprint, Response, jsonify

from auth_service.services import services

MAX_AGE = 300
"""Seconds for which readers may cache the JWK set, and so may accept a key that was removed from it."""

key_endpoints = Blueprint("keys", __name__)


@key_endpoints.get("/.well-known/jwks.json")
@key_endpoints.get("/auth/.well-known/jwks.json")
def jwks() -> Response:
    """Return the keys that verify access tokens, the signing key first."""
    response = jsonify(services().keys.to_jwk_set())
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
