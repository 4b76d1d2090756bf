"""/internal/sessions: the gateway opens and ends browser sessions, and exchanges their handles for access tokens."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from auth_service.api.client_of_request import set_client_of_request
from auth_service.api.error_handlers import install_error_handlers
from auth_service.api.models.browser_sessions import (
    BrowserSessionResponse,
    HandleRequest,
    OpenedSessionResponse,
    OpenSessionRequest,
)
from auth_service.api.models.users import UserResponse
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.browser_sessions.service import BrowserGrant
from auth_service.events.client import Client
from auth_service.services import services

browser_session_endpoints = Blueprint("browser_sessions", __name__, url_prefix="/sessions")
install_error_handlers(browser_session_endpoints)


@browser_session_endpoints.post("")
def open_session() -> Response:
    """Log in a browser and return an access token. 401 if the credentials are wrong."""
    body = read_body(OpenSessionRequest)
    client = Client(body.device, body.address)
    set_client_of_request(client)
    opened = services().browser_sessions.open(
        body.email,
        body.password,
        body.handle_hash,
        client,
        replaces=body.replaces,
        device_token=body.device_token,
    )
    return json_response(
        OpenedSessionResponse(device_token=opened.device_token, **_response(opened.grant).model_dump())
    )


@browser_session_endpoints.post("/exchange")
def exchange() -> Response:
    """Return a new access token for a handle. 404 if the handle has no live session."""
    handle_hash = read_body(HandleRequest).handle_hash
    return json_response(_response(services().browser_sessions.exchange(handle_hash)))


@browser_session_endpoints.post("/end")
def end() -> ResponseReturnValue:
    """End the session of a handle. Return 204 also if the handle has no session."""
    services().browser_sessions.end(read_body(HandleRequest).handle_hash)
    return "", 204


@browser_session_endpoints.after_request
def set_no_store(response: Response) -> Response:
    """Forbid caches to store the response, which may hold a token."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _response(exchanged: BrowserGrant) -> BrowserSessionResponse:
    return BrowserSessionResponse(
        access=exchanged.access,
        expires_at=int(exchanged.expires_at),
        user=UserResponse.model_validate(exchanged.user),
    )
