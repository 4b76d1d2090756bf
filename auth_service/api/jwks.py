"""The JWK set (RFC 7517): the public keys that verify access tokens."""

from typing import Literal

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from pydantic import ConfigDict, Field

from auth_service.api.models.base import ResponseBody
from auth_service.api.openapi.description import described
from auth_service.services import services
from contract.problems import Refused

MAX_AGE = 300
"""Seconds for which readers may cache the JWK set, and so may accept a key that was removed from it."""

_OTHER_METHODS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

key_endpoints = Blueprint("keys", __name__)


class Jwk(ResponseBody):
    """A public key (RFC 7517). Its other members depend on `kty`."""

    model_config = ConfigDict(extra="allow")

    kty: Literal["OKP", "EC", "RSA"] = Field(examples=["OKP"])
    kid: str = Field(examples=["kS3fKp0P4Qm6nZ7yQ1v2w3x4y5z6a7b8c9d0e1f2g3h"])
    alg: Literal["EdDSA", "ES256", "RS256"] = Field(examples=["EdDSA"])
    use: Literal["sig"] = Field(examples=["sig"])


class JwkSetResponse(ResponseBody):
    """A JWK set (RFC 7517 5), with the signing key first."""

    keys: list[Jwk]


@key_endpoints.get("/.well-known/jwks.json")
@key_endpoints.get("/auth/.well-known/jwks.json", provide_automatic_options=False)
@described(returns={200: JwkSetResponse})
def jwks() -> Response:
    """Return the keys that verify access tokens, the signing key first."""
    keys = services().keys
    keys.check()  # so that a key that another process signs with already is in the answer
    response = jsonify(keys.current().to_jwk_set())
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response


@key_endpoints.route("/auth/.well-known/jwks.json", methods=_OTHER_METHODS, provide_automatic_options=False)
def other_methods_of_jwks() -> ResponseReturnValue:
    """Answer 405. Without this view, the one for unknown paths under /auth/ would answer 404."""
    raise Refused("method_not_allowed", headers={"Allow": "GET, HEAD"})
