"""The client of the current request or command, for events and the audit trail."""

from dataclasses import replace

from flask import g, has_app_context, has_request_context, request

from auth_service.events.client import MAX_ADDRESS, UNKNOWN_CLIENT, Client


def client_of_request() -> Client:
    """Return the client of the current request or command; UNKNOWN_CLIENT in a background job."""
    override = g.get("client") if has_app_context() else None
    if isinstance(override, Client):
        return override
    if not has_request_context():
        return UNKNOWN_CLIENT
    return Client(
        request.headers.get("User-Agent", ""),
        (request.remote_addr or "")[:MAX_ADDRESS],
        request.headers.get("Accept-Language", ""),
    )


def set_client_of_request(client: Client) -> None:
    """Make `client` the client of the current request or command.

    The gateway sends requests for another client, and a command has the client OPERATOR.
    """
    g.client = client


def set_actor_of_request(actor: str) -> None:
    """Make `actor`, the id of a staff user, the one who acts in the current request."""
    g.client = replace(client_of_request(), actor=actor)
