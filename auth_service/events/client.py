"""The client of a request: its User-Agent and its address, for events and the audit trail."""

from dataclasses import dataclass

from flask import g, has_request_context, request

MAX_ADDRESS = 64
"""Characters of an address that are stored and logged."""
MAX_DEVICE = 255
"""Characters of a User-Agent that are stored and logged."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client. `device` is its User-Agent and `address` its IP address; "" means unknown.

    `accept_language` is the Accept-Language header of the request, for mails that the request causes.
    """

    device: str
    address: str
    accept_language: str = ""


UNKNOWN_CLIENT = Client("", "")
"""The client of events that no client caused, such as those of an operator's command."""


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
