"""Owns /internal/sessions: what the gateway asks for the browsers that hold a session by an opaque handle."""

import re

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from auth_service.accounts.users import HandleTaken
from auth_service.api.error_handlers import install_refusal_answers
from auth_service.api.errors import bad_credentials, invalid_fields, session_ended
from auth_service.api.fields import TextField, password_field, read_fields
from auth_service.api.request_body import MAX_BODY, read_members
from auth_service.api.users import render_user
from auth_service.audit.client import MAX_ADDRESS, Client, speak_for
from auth_service.browser_sessions.service import Exchanged, SessionEnded
from auth_service.services import services
from auth_service.storage.models import MAX_EMAIL
from auth_service.tokens.grants import BadCredentials
from contract.internal import HANDLE_HASH

_NOT_A_HASH = "This is no SHA-256 in lower-case hexadecimal digits."
_TAKEN = "This handle is in use."


def _complaints_of_hash(text: str) -> list[str]:
    return [] if re.fullmatch(HANDLE_HASH, text) else [_NOT_A_HASH]


_HANDLE = {"handle_hash": TextField(max_length=64, check=_complaints_of_hash)}
# A browser may say of itself what it likes: it is cut where it is stored.
_SAID_OF_ITSELF = TextField(MAX_BODY, is_required=False, may_be_blank=True)
_LOGIN = {
    "email": TextField(MAX_EMAIL),
    "password": password_field(),
    **_HANDLE,
    "replaces": TextField(max_length=64, check=_complaints_of_hash, is_required=False),
    "device": _SAID_OF_ITSELF,
    "address": TextField(MAX_ADDRESS, is_required=False, may_be_blank=True),
}

browser_session_endpoints = Blueprint("browser_sessions", __name__, url_prefix="/sessions")
install_refusal_answers(browser_session_endpoints)


@browser_session_endpoints.post("")
def open_session() -> Response:
    """200 an access token of a new session; 401 where the credentials are wrong, 400 names a field."""
    given = read_fields(read_members(), _LOGIN)
    client = Client(given.get("device", ""), given.get("address", ""))
    speak_for(client)
    try:
        opened = services().browser_sessions.open(
            given["email"], given["password"], given["handle_hash"], client, replaces=given.get("replaces")
        )
    except BadCredentials as error:
        raise bad_credentials() from error
    except HandleTaken as error:
        raise invalid_fields({"handle_hash": [_TAKEN]}) from error
    return _answer(opened)


@browser_session_endpoints.post("/exchange")
def exchange() -> Response:
    """200 a fresh access token; 404 where the session has ended."""
    given = read_fields(read_members(), _HANDLE)
    try:
        return _answer(services().browser_sessions.exchange(given["handle_hash"]))
    except SessionEnded as error:
        raise session_ended(error.seconds_ago) from error


@browser_session_endpoints.post("/end")
def end() -> ResponseReturnValue:
    """204: the session has ended, now or before."""
    given = read_fields(read_members(), _HANDLE)
    services().browser_sessions.end(given["handle_hash"])
    return "", 204


@browser_session_endpoints.after_request
def forbid_storing(response: Response) -> Response:
    """No cache may keep a token."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer(exchanged: Exchanged) -> Response:
    user = render_user(exchanged.user)
    return jsonify(access=exchanged.access, expires_at=int(exchanged.expires_at), user=user)
