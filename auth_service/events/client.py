"""The client that caused an event: its User-Agent and its address."""

from dataclasses import dataclass

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
