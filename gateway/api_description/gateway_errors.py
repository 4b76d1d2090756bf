"""The errors that the gateway adds to the responses of every operation behind it, by the rules of its route."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chassis.openapi.description import ResponseDescription
from chassis.openapi.problem_details import problem
from contract.problems import PROBLEM_JSON, ProblemCode
from gateway.pipeline.csrf import SAFE_METHODS
from gateway.routing.routes import Route

_RETRY_AFTER = 3
_ALWAYS: Sequence[ProblemCode] = (
    "bad_request",
    "bad_path",
    "bad_header",
    "target_too_long",
    "headers_too_large",
    "upstream_unreachable",
    "upstream_failed",
    "upstream_timeout",
    "loop_detected",
)
_OF_UPSTREAMS_STATE: Sequence[ProblemCode] = ("upstream_unavailable", "upstream_busy")
_OF_CREDENTIALS: Sequence[ProblemCode] = (
    "multiple_credentials",
    "no_credentials",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "session_ended",
)
_OF_COOKIES: Sequence[ProblemCode] = ("multiple_credentials", "session_ended")
_OF_TOKENS_STATE: Sequence[ProblemCode] = ("auth_unavailable", "keys_unavailable", "revocations_unavailable")
_WITH_RETRY_AFTER = frozenset((*_OF_UPSTREAMS_STATE, *_OF_TOKENS_STATE, "rate_limited", "route_busy"))

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/ProblemDetails"}
"""The schema of the gateway's own errors."""
NEVER_SENT = frozenset({"identity_missing", "identity_invalid"})
"""Codes of a service's 401 that no client gets: the gateway answers 502 `identity_rejected` instead."""


def error_codes(route: Route, method: str, *, needs_caller: bool) -> Iterator[ProblemCode]:
    """Yield the codes of the errors with which the gateway can answer `method` on `route`.

    `needs_caller` says whether the service itself needs a caller, if the route is public.
    """
    yield from _ALWAYS
    yield from _OF_UPSTREAMS_STATE
    if method in ("POST", "PUT", "PATCH", "DELETE"):
        yield from ("body_too_large", "request_timeout")
    if route.limits:
        yield "rate_limited"
    if route.concurrency_limit is not None:
        yield "route_busy"
    if route.upstream.receives_identity:
        yield "identity_rejected"
    if not route.public:
        yield from _OF_CREDENTIALS
    elif needs_caller:
        yield from _OF_COOKIES
    if not route.public or needs_caller:
        yield from _OF_TOKENS_STATE
        if method not in SAFE_METHODS:
            yield "cross_site"
    if route.roles:
        yield "insufficient_scope"


def error_responses(codes: Iterable[ProblemCode]) -> Mapping[str, dict[str, Any]]:
    """Return the responses for `codes` by status. Their examples are references to those of error_examples."""
    responses: dict[str, dict[str, Any]] = {}
    for code in sorted(codes):
        described = describe(code)
        response = responses.setdefault(str(described.status), _response())
        response["content"][PROBLEM_JSON]["examples"][code] = {"$ref": f"#/components/examples/{code}"}
        for name, value in described.headers.items():
            header = {"schema": {"type": "string"}, "example": value}
            response.setdefault("headers", {})[name] = header
    for response in responses.values():
        codes_of_status = response["content"][PROBLEM_JSON]["examples"]
        response["description"] = f"The gateway: {', '.join(f'`{code}`' for code in codes_of_status)}"
    return dict(sorted(responses.items()))


def describe(code: ProblemCode) -> ResponseDescription:
    """Return the description of the gateway's error `code`."""
    return problem(code, retry_after=_RETRY_AFTER if code in _WITH_RETRY_AFTER else None)


def _response() -> dict[str, Any]:
    return {"description": "", "content": {PROBLEM_JSON: {"schema": PROBLEM_SCHEMA, "examples": {}}}}
