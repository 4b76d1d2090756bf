"""Answers /session/ticket, where a page shows its credentials in the ordinary way and gets a one-time ticket."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from gateway.browser_sessions.tickets import LIFETIME_SECONDS, Tickets
from gateway.endpoints.session import WaitFor
from gateway.http.request import Request
from gateway.http.request_headers import read_request_fields
from gateway.http.request_limits import HIGHEST_LIMITS
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.credentials import read_credentials
from gateway.suspendable import run


def ticket_endpoints(
    authentication: AuthenticateStage, cookie_name: str, tickets: Tickets, wait_for: WaitFor
) -> Blueprint:
    """The blueprint that answers /session/ticket."""
    blueprint = Blueprint("ticket", __name__)

    @blueprint.post("/session/ticket/")
    def issue() -> Response:
        ticket, handed_back = wait_for(_issue(authentication, cookie_name, tickets, _request()))
        response = jsonify(ticket=ticket, expires_in=LIFETIME_SECONDS)
        response.headers.update({"Cache-Control": "no-store", **handed_back})
        return response

    return blueprint


async def _issue(
    authentication: AuthenticateStage, cookie_name: str, tickets: Tickets, arrival: Request
) -> tuple[str, dict[str, str]]:
    # The settings' own limits were applied where the request came in.
    fields = read_request_fields(arrival.headers, arrival.http_version, HIGHEST_LIMITS)
    credentials = read_credentials(fields, cookie_name.encode("ascii"))
    principal = await run(authentication.authenticate(arrival, credentials))
    return await tickets.issue(principal.claims), principal.fresh.to_headers() if principal.fresh is not None else {}


def _request() -> Request:
    """The request in the form that every other is authenticated in."""
    environ: dict[str, Any] = request.environ
    return Request(
        request_id=request.headers.get("X-Request-Id", ""),
        method=request.method,
        path=request.path.encode(),
        query=request.query_string,
        headers=[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers],
        http_version=environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        client=request.remote_addr or "",
        scheme=request.scheme,
        server=None,
    )
