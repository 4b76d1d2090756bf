"""Answers /session/ticket, where a page shows its credentials in the ordinary way and gets a one-time ticket."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from gateway.arrival import Arrival
from gateway.authentication import Authentication
from gateway.headers import read_request_fields
from gateway.request_limits import HIGHEST_LIMITS
from gateway.session_endpoints import WaitFor
from gateway.streams.tickets import LIFETIME, Tickets


def ticket_endpoints(authentication: Authentication, tickets: Tickets, wait_for: WaitFor) -> Blueprint:
    """The blueprint that answers /session/ticket."""
    blueprint = Blueprint("ticket", __name__)

    @blueprint.post("/session/ticket/")
    def issue() -> Response:
        ticket, handed_back = wait_for(_issue(authentication, tickets, _arrival()))
        response = jsonify(ticket=ticket, expires_in=LIFETIME)
        response.headers.update({"Cache-Control": "no-store", **handed_back})
        return response

    return blueprint


async def _issue(authentication: Authentication, tickets: Tickets, arrival: Arrival) -> tuple[str, dict[str, str]]:
    # The settings' own limits were applied where the request came in.
    fields = read_request_fields(arrival.headers, arrival.http_version, HIGHEST_LIMITS)
    proof = await authentication.prove(arrival, fields)
    return await tickets.issue(proof.claims), proof.fresh.to_headers() if proof.fresh is not None else {}


def _arrival() -> Arrival:
    """The request in the form that every other is authenticated in."""
    environ: dict[str, Any] = request.environ
    return Arrival(
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
