"""Refusals: why a request is answered 401 or 403, and the response (RFC 9457 problem details)."""

import json
import re

PROBLEM_JSON = "application/problem+json"
REFUSED_HEADER = "X-Identity-Refused"
"""The header of a 401 with the reason for the gateway, which answers its client 502 and logs the reason.

The cause is a wrong configuration: secret, audience, key or clock."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)
_TITLES = {
    "identity_missing": "The request carries no identity assertion.",
    "identity_invalid": "The identity assertion is not valid.",
    "insufficient_scope": "The identity lacks the role that this needs.",
}


class IdentityRefused(Exception):
    """The request is refused: 401 without a valid assertion, 403 without a required role.

    `code` is identity_missing, identity_invalid or insufficient_scope. `reason` says in a few words why, and `detail`
    is the explanation for the client. `headers` are the fields of the response, except Content-Type (RFC 6750 3).
    """

    def __init__(self, code: str, reason: str) -> None:
        Exception.__init__(self, reason)
        self.code = code
        self.reason = reason
        self.status = 403 if code == "insufficient_scope" else 401
        self.detail = reason if self.status == 403 else _TITLES[code]
        error = ', error="insufficient_scope"' if self.status == 403 else ""
        self.headers = {"WWW-Authenticate": f'Bearer realm="api"{error}'}
        if self.status == 401:
            self.headers[REFUSED_HEADER] = reason

    def to_body(self, request_id: str | None = None) -> bytes:
        """Return the problem details as JSON. `request_id` is the X-Request-Id of the request."""
        members = {
            "type": f"urn:sallyport:problem:{self.code}",
            "title": _TITLES[self.code],
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if request_id and _REQUEST_ID.fullmatch(request_id):
            members["request_id"] = request_id
        return json.dumps(members).encode() + b"\n"


def role_missing(role: str) -> IdentityRefused:
    """Return the refusal of a caller without `role`."""
    return IdentityRefused("insufficient_scope", f"This needs the role {role!r}.")
