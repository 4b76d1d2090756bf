"""Owns /internal/: what the gateway, and nobody else, tells this service."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from auth_service.api.browser_sessions import browser_session_endpoints
from auth_service.audit.client import NOBODY, speak_for
from auth_service.services import services
from chassis.json_body import JSON, MalformedBody, parse_json
from contract.claims import InvalidToken
from contract.internal import MAX_SEEN
from contract.peer import PEER_HEADER, PEER_REFUSED, verify_peer
from contract.problems import Refused

_MAX_GENERATION = 2**31

internal_endpoints = Blueprint("internal", __name__, url_prefix="/internal")
internal_endpoints.register_blueprint(browser_session_endpoints)


@internal_endpoints.before_request
def only_the_gateway() -> None:
    """Raises Refused(403) for everybody else; never 401, which the gateway would hand to a client."""
    secret = services().settings.peer_secret.get_secret_value()
    try:
        verify_peer(request.headers.get(PEER_HEADER, ""), secret, now=services().clock())
    except InvalidToken as error:
        raise Refused(PEER_REFUSED, error.reason) from error
    speak_for(NOBODY)  # the gateway calls for others


@internal_endpoints.post("/seen")
def seen() -> ResponseReturnValue:
    """204: the generations of sessions whose tokens were used are noted. Raises Refused 400."""
    services().sessions.raise_seen(_highest(_read_report()).items())
    return "", 204


def _read_report() -> list[tuple[str, int]]:
    try:
        body = parse_json(request.get_data())
    except MalformedBody as error:
        raise Refused("bad_body", error.reason) from error
    entries = body.get("seen") if isinstance(body, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_SEEN:
        raise Refused("bad_body", f"`seen` is to be a list of at most {MAX_SEEN} pairs")
    return [_read_entry(entry) for entry in entries]


def _read_entry(entry: JSON) -> tuple[str, int]:
    match entry:
        case [str(sid), int(generation)] if not isinstance(generation, bool) and 0 <= generation < _MAX_GENERATION:
            return sid, generation
    raise Refused("bad_body", "an entry of `seen` is to be a session and its generation")


def _highest(report: list[tuple[str, int]]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for sid, generation in report:
        highest[sid] = max(generation, highest.get(sid, 0))
    return highest
