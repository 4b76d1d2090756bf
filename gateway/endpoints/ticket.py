"""The view of /session/ticket: a page with credentials gets a one-time ticket, with which it opens a stream."""

from collections.abc import Sequence

from flask import Blueprint, Response, jsonify

from chassis.openapi.description import ResponseDescription, ViewDescription, described
from chassis.openapi.problem_details import problem
from contract.problems import ProblemCode
from gateway.browser_sessions.tickets import LIFETIME_SECONDS, Tickets
from gateway.endpoints.api_models import OF_TOKENS, TicketResponse
from gateway.endpoints.flask_request import pipeline_request
from gateway.endpoints.session import WaitFor
from gateway.http.request import Request
from gateway.http.request_headers import read_request_fields
from gateway.http.request_limits import HIGHEST_LIMITS
from gateway.pipeline.authenticate import AuthenticateStage
from gateway.pipeline.credentials import read_credentials
from gateway.suspendable import run

_REFUSALS: Sequence[ProblemCode] = (
    "multiple_credentials",
    "no_credentials",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "session_ended",
    "cross_site",
)


def ticket_endpoints(
    authentication: AuthenticateStage, cookie_name: str, tickets: Tickets, wait_for: WaitFor
) -> Blueprint:
    """Return the blueprint of /session/ticket."""
    blueprint = Blueprint("ticket", __name__)

    @blueprint.post("/session/ticket/")
    @described(
        ViewDescription(
            (
                ResponseDescription(200, TicketResponse),
                *(problem(code) for code in _REFUSALS),
                problem("tickets_unavailable", retry_after=3),
                *OF_TOKENS,
            ),
            operation_id="issueTicket",
        )
    )
    def issue() -> Response:
        """Issue a ticket that opens one stream, as `?ticket=`, within 30 seconds."""
        ticket, token_headers = wait_for(_issue(authentication, cookie_name, tickets, pipeline_request()))
        response = jsonify(ticket=ticket, expires_in=LIFETIME_SECONDS)
        response.headers.update({"Cache-Control": "no-store", **token_headers})
        return response

    return blueprint


async def _issue(
    authentication: AuthenticateStage, cookie_name: str, tickets: Tickets, request: Request
) -> tuple[str, dict[str, str]]:
    """Return a ticket, and headers with the tokens if the gateway refreshed them. Raises Refused."""
    # The configured limits were applied before the request reached Flask.
    fields = read_request_fields(request.headers, request.http_version, HIGHEST_LIMITS)
    credentials = read_credentials(fields, cookie_name.encode("ascii"))
    principal = await run(authentication.authenticate(request, credentials))
    return await tickets.issue(principal.claims), principal.fresh.to_headers() if principal.fresh is not None else {}
