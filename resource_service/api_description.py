"""The OpenAPI description of this service: the decorator `described` above each view, and the document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import current_app
from pydantic import BaseModel

from chassis.openapi.description import (
    JSON,
    Models,
    ResponseDescription,
    View,
    ViewDescription,
    successes,
)
from chassis.openapi.description import described as attach_description
from chassis.openapi.document import Operation, ServiceDescription, Tag, write_document
from chassis.openapi.problem_details import problem

_TAGS = (
    Tag("Notes", "Create, read, search, change and delete notes.", ("/api/notes",)),
    Tag("Identity", "The identity of the caller, as the gateway asserts it.", ("/api/whoami",)),
)
_ALWAYS = (
    problem("identity_missing"),
    problem("identity_invalid"),
    problem("internal_error"),
    problem("store_unavailable", retry_after=5),
)
_WITH_BODY = (
    problem("bad_body", "JSON parse error - it ends in the middle of a value"),
    problem(
        "invalid_fields",
        "title: This field is required.",
        extra={"errors": {"title": ["This field is required."]}},
    ),
    problem("body_too_large"),
    problem("unsupported_media_type", "Send application/json."),
)
_WITH_QUERY = problem(
    "invalid_fields",
    "page: Must be a number from 1 to 1000000.",
    extra={"errors": {"page": ["Must be a number from 1 to 1000000."]}},
)


def described(
    *,
    returns: Mapping[int, Models],
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    errors: Sequence[ResponseDescription] = (),
    headers: Mapping[str, str] | None = None,
    header_parameters: Mapping[str, str] | None = None,
    media_type: str = JSON,
    text: str | None = None,
) -> Callable[[View], View]:
    """Return a decorator that describes a view: put it right below the one with the path.

    `returns` has the model of the body for each status of a success, and `headers` example values of its header
    fields. A body that is no JSON has a `media_type` and a `text` as its example. `errors` are what the view raises;
    those of its body, its query, the identity and the database are added.
    """
    responses: Sequence[ResponseDescription] = successes(returns, headers or {}, media_type)
    if text is not None:
        responses = [replace(found, example=text) for found in responses]
    return attach_description(
        ViewDescription((*responses, *errors), body=body, query=query, header_parameters=header_parameters or {})
    )


def notes_document() -> dict[str, Any]:
    """Return the document of the current application."""
    return write_document(
        current_app,
        ServiceDescription(
            title="Notes service",
            version="1",
            text="Notes of users. Paths work with and without the closing slash.",
            tags=_TAGS,
            complete=_complete,
        ),
    )


def _complete(operation: Operation) -> ViewDescription:
    description = operation.description
    responses = [*description.responses, *_ALWAYS]
    if description.body is not None:
        responses += _WITH_BODY
    if description.query is not None:
        responses.append(_WITH_QUERY)
    return replace(description, responses=tuple(responses))
