"""/internal/foreign-tokens: the gateway exchanges an access token of a Django project for one of ours."""

from flask import Blueprint, Response

from auth_service.api.client_of_request import client_of_request
from auth_service.api.error_handlers import install_error_handlers
from auth_service.api.models.internal import ForeignTokenRequest, ForeignTokenResponse
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.services import services
from auth_service.sessions.refresh import NoActiveAccount
from auth_service.tokens.reader import UsedOrEndedToken
from contract.claims import ExpiredToken, InvalidToken
from contract.problems import Refused

foreign_token_endpoints = Blueprint("foreign_tokens", __name__, url_prefix="/foreign-tokens")
install_error_handlers(foreign_token_endpoints)


@foreign_token_endpoints.post("")
def exchange() -> Response:
    """Return an access token of ours. Raises Refused(401) with the code that the gateway answers."""
    token = read_body(ForeignTokenRequest).token
    if not services().exchange.accepts(token):
        raise Refused("token_invalid")
    try:
        access = services().exchange.access_token(token, client_of_request())
    except ExpiredToken as error:
        raise Refused("token_expired") from error
    except (UsedOrEndedToken, NoActiveAccount) as error:
        raise Refused("token_revoked") from error
    except InvalidToken as error:
        raise Refused("token_invalid", error.reason) from error
    return json_response(ForeignTokenResponse(access=access))
