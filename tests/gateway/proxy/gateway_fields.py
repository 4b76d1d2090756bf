"""The header fields that the gateway itself adds to a request, in lower case."""

from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS

GATEWAY_FIELDS = [
    "host",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "via",
]
"""Added to every request, in this order; x-forwarded-host only if the request has a Host."""

IDENTITY_FIELDS = [name.lower() for name in (IDENTITY_HEADER, *UNSIGNED_HEADERS)]
"""Added to authenticated requests: the identity assertion, and the same facts in plain text."""
