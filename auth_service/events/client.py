"""The client that caused an event: its User-Agent and its address."""

from dataclasses import dataclass

MAX_ADDRESS = 64
"""Characters of an address that are stored and logged."""
MAX_DEVICE = 255
"""Characters of a User-Agent that are stored and logged."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client. `device` is its User-Agent and `address` its IP address; "" means unknown.

    `accept_language` is the Accept-Language header of the request, for mails that the request causes. `actor` is who
    acts on another account: OPERATOR_ACTOR, or the id of a staff user. "" means that the owner of the account acts.
    """

    device: str
    address: str
    accept_language: str = ""
    actor: str = ""


UNKNOWN_CLIENT = Client("", "")
"""The client of events that no client caused, such as those of a background job."""
OPERATOR_ACTOR = "operator"
"""The actor of an operator's command."""
OPERATOR = Client("", "", actor=OPERATOR_ACTOR)
"""The client of events that an operator's command causes."""
