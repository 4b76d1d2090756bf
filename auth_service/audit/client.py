"""Owns who is at the other end of a request: the User-Agent and the address, as an account's owner will see them."""

from dataclasses import dataclass

from flask import g, has_request_context, request

MAX_ADDRESS = 64


@dataclass(frozen=True, slots=True)
class Client:
    """What a client says it is, and where it is."""

    device: str
    address: str


NOBODY = Client("", "")
"""A command line, or whoever the gateway does not name."""


def client_of_request() -> Client:
    """The client of the request under way; nobody outside one."""
    if not has_request_context():
        return NOBODY
    given = g.get("client")
    if isinstance(given, Client):
        return given
    return Client(request.headers.get("User-Agent", ""), (request.remote_addr or "")[:MAX_ADDRESS])


def speak_for(client: Client) -> None:
    """Lets the request under way count as one of `client`, which the gateway calls for."""
    g.client = client
