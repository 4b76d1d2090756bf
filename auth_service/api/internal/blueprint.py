"""/internal/: the endpoints that only the gateway may call."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from auth_service.api.client_of_request import set_client_of_request
from auth_service.api.internal.browser_sessions import browser_session_endpoints
from auth_service.api.internal.foreign_tokens import foreign_token_endpoints
from auth_service.api.models.internal import UsageReportRequest
from auth_service.events.client import UNKNOWN_CLIENT
from auth_service.services import services
from chassis.json_body import MalformedJson, parse_json
from chassis.secret_rotation.watched_secret import verify_with
from contract.claims import InvalidToken
from contract.internal_api import MAX_REPORTED_SESSIONS
from contract.peer_token import PEER_HEADER, PEER_REFUSED, verify_peer
from contract.problems import Refused

internal_endpoints = Blueprint("internal", __name__, url_prefix="/internal")
internal_endpoints.register_blueprint(browser_session_endpoints)
internal_endpoints.register_blueprint(foreign_token_endpoints)


@internal_endpoints.before_request
def require_gateway() -> None:
    """Verify the gateway's peer token. Raises Refused(403): a 401 would mean that a client's token is wrong."""
    token, now = request.headers.get(PEER_HEADER, ""), services().clock()
    try:
        verify_with(services().peer_secrets, lambda secret: verify_peer(token, secret, now=now))
    except InvalidToken as error:
        raise Refused(PEER_REFUSED, error.reason) from error
    set_client_of_request(UNKNOWN_CLIENT)  # the address and the User-Agent are the gateway's, not a client's


@internal_endpoints.post("/seen")
def report_usage() -> ResponseReturnValue:
    """Store the generations in a usage report. 400 if the report is malformed."""
    services().sessions.raise_seen_generations(_read_report().highest_generations().items())
    return "", 204


def _read_report() -> UsageReportRequest:
    try:
        return UsageReportRequest.model_validate(parse_json(request.get_data()))
    except MalformedJson as error:
        raise Refused("bad_body", error.reason) from error
    except ValidationError as error:
        expected = f"`seen` must be a list of at most {MAX_REPORTED_SESSIONS} pairs of a session id and a generation"
        raise Refused("bad_body", expected) from error
