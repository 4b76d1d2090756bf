"""The client of the current request, for events and the audit trail."""

from flask import g, has_request_context, request

from auth_service.events.client import MAX_ADDRESS, UNKNOWN_CLIENT, Client


def client_of_request() -> Client:
    """Return the client of the current request; UNKNOWN_CLIENT outside a request, as in a command."""
    if not has_request_context():
        return UNKNOWN_CLIENT
    override = g.get("client")
    if isinstance(override, Client):
        return override
    return Client(
        request.headers.get("User-Agent", ""),
        (request.remote_addr or "")[:MAX_ADDRESS],
        request.headers.get("Accept-Language", ""),
    )


def set_client_of_request(client: Client) -> None:
    """Make `client` the client of the current request, because the gateway sends the request for that client."""
    g.client = client
