"""Error codes of the gateway and the services, and the problem details that carry them (RFC 9457).

A refusal is an exception with a code: `raise Refused("token_expired")`. PROBLEMS has the status and title of each
code. Each service has one error handler that turns a Refused into a response.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

PROBLEM_JSON = "application/problem+json"

MAX_JITTER_SECONDS = 10
"""Maximum random delay that jittered_retry_after adds."""

ProblemCode = Literal[
    "bad_request",
    "bad_path",
    "bad_header",
    "bad_body",
    "invalid_fields",
    "multiple_credentials",
    "no_credentials",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "ticket_invalid",
    "session_ended",
    "identity_missing",
    "identity_invalid",
    "insufficient_scope",
    "peer_refused",
    "cross_site",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "body_too_large",
    "target_too_long",
    "unsupported_media_type",
    "websocket_version",
    "rate_limited",
    "headers_too_large",
    "internal_error",
    "upstream_unreachable",
    "identity_rejected",
    "peer_rejected",
    "upstream_failed",
    "answer_too_large",
    "auth_unavailable",
    "route_busy",
    "upstream_unavailable",
    "upstream_busy",
    "keys_unavailable",
    "revocations_unavailable",
    "store_unavailable",
    "tickets_unavailable",
    "streams_exhausted",
    "draining",
    "upstream_timeout",
    "loop_detected",
]
"""Every error code. Codes are part of the API: clients compare them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The HTTP status and the title of an error code."""

    status: int
    title: str


PROBLEMS: Mapping[ProblemCode, Problem] = {
    "bad_request": Problem(400, "The request is malformed."),
    "bad_path": Problem(400, "The path is ambiguous."),
    "bad_header": Problem(400, "A header is not acceptable."),
    "bad_body": Problem(400, "The body is malformed."),
    "invalid_fields": Problem(400, "Some fields are not valid."),
    "multiple_credentials": Problem(400, "Credentials were given in more than one place."),
    "no_credentials": Problem(401, "Authentication is required."),
    "token_invalid": Problem(401, "The access token is not valid."),
    "token_expired": Problem(401, "The access token has expired."),
    "token_revoked": Problem(401, "The access token was revoked."),
    "ticket_invalid": Problem(401, "The ticket is unknown, was used before, or has expired."),
    "session_ended": Problem(401, "The session has ended."),
    "identity_missing": Problem(401, "The request carries no identity assertion."),
    "identity_invalid": Problem(401, "The identity assertion is not valid."),
    "insufficient_scope": Problem(403, "The identity lacks the role that this needs."),
    "peer_refused": Problem(403, "Only the gateway may call this endpoint."),
    "cross_site": Problem(403, "The request may come from a page of another site."),
    "not_found": Problem(404, "There is nothing here."),
    "method_not_allowed": Problem(405, "The method is not allowed here."),
    "request_timeout": Problem(408, "The request did not arrive in time."),
    "body_too_large": Problem(413, "The body is larger than this route allows."),
    "target_too_long": Problem(414, "The request target is too long."),
    "unsupported_media_type": Problem(415, "The media type is not supported."),
    "websocket_version": Problem(426, "The supported version of WebSocket is 13."),
    "rate_limited": Problem(429, "Too many requests."),
    "headers_too_large": Problem(431, "The header section is too large."),
    "internal_error": Problem(500, "Something went wrong here."),
    "upstream_unreachable": Problem(502, "The service behind this route could not be reached."),
    "identity_rejected": Problem(502, "The service behind this route does not accept this gateway's assertion."),
    "peer_rejected": Problem(502, "The auth service does not accept this gateway."),
    "upstream_failed": Problem(502, "The service behind this route did not complete its response."),
    "answer_too_large": Problem(502, "The response of the service behind this route is too large."),
    "auth_unavailable": Problem(503, "The auth service could not be reached."),
    "route_busy": Problem(503, "This route has reached its limit of concurrent requests."),
    "upstream_unavailable": Problem(503, "The service behind this route does not answer at the moment."),
    "upstream_busy": Problem(503, "The service behind this route has no connection free."),
    "keys_unavailable": Problem(503, "Access tokens cannot be verified at the moment."),
    "revocations_unavailable": Problem(503, "Revocations cannot be looked up at the moment."),
    "store_unavailable": Problem(503, "A store is not available at the moment."),
    "tickets_unavailable": Problem(503, "Tickets can be neither issued nor redeemed at the moment."),
    "streams_exhausted": Problem(503, "There are too many open streams."),
    "draining": Problem(503, "This process is stopping."),
    "upstream_timeout": Problem(504, "The service behind this route did not answer in time."),
    "loop_detected": Problem(508, "The request has passed through this gateway before."),
}


@dataclass(slots=True)
class Refused(Exception):
    """A refusal of the request. `detail` is shown to the client and never contains a token; empty means the title.

    `retry_after` is in seconds. `headers` are added to the response, and `extra` to the problem details.
    """

    code: ProblemCode
    detail: str = ""
    retry_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return PROBLEMS[self.code].status

    def to_headers(self) -> dict[str, str]:
        """Return the headers of the response except Content-Type: `headers`, WWW-Authenticate and Retry-After."""
        headers = dict(self.headers)
        if self.status == 401:
            headers["WWW-Authenticate"] = challenge(self.code)
        elif self.code == "insufficient_scope":
            headers["WWW-Authenticate"] = 'Bearer realm="api", error="insufficient_scope"'
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers

    def to_members(self, request_id: str) -> dict[str, Any]:
        """Return the members of the problem details object (RFC 9457 3.1), with `code`, `request_id` and `extra`."""
        problem = PROBLEMS[self.code]
        return {
            "type": f"urn:sallyport:problem:{self.code}",
            "title": problem.title,
            "status": problem.status,
            "detail": self.detail or problem.title,
            "code": self.code,
            "request_id": request_id,
            **self.extra,
        }

    def to_body(self, request_id: str) -> bytes:
        """Return the problem details as JSON, with a newline at the end for people who use curl."""
        return json.dumps(self.to_members(request_id)).encode() + b"\n"


def jittered_retry_after(seconds: int) -> int:
    """Return `seconds` plus a random delay of at most `seconds` and at most MAX_JITTER_SECONDS.

    For a Retry-After that many clients receive at once, so that they do not all return at the same time.
    """
    return seconds + random.randint(0, min(seconds, MAX_JITTER_SECONDS))  # noqa: S311 - spreads load, no secret


def challenge(code: ProblemCode) -> str:
    """Return the WWW-Authenticate value of a 401, with an `error` only if a token was refused (RFC 6750 3.1)."""
    if code in ("no_credentials", "session_ended", "identity_missing", "identity_invalid"):
        return 'Bearer realm="api"'
    return 'Bearer realm="api", error="invalid_token"'
