"""The decorator `described` above each method of a view: its bodies and errors, for the OpenAPI document.

```python
@described(body=InvitationRequest, returns={201: AccountResponse}, errors=[EMAIL_TAKEN])
def post(self) -> Response:
    "Create a user without a password, and send the invitation."
```

The first line of the docstring is the summary of the operation, the rest its text. What many views share is added in
shared_errors.py: the errors of authentication, of a body and of the database.
"""

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel

from auth_service.api.errors import ApiError
from auth_service.api.models.base import RequestBody
from auth_service.api.models.errors import CodedErrorResponse, ErrorResponse
from auth_service.api.request_body import MEDIA_TYPES
from chassis.openapi.description import (
    Models,
    ResponseDescription,
    View,
    ViewDescription,
    successes,
)
from chassis.openapi.description import described as attach_description

_WORDS_OF_NAME = 4


def described(
    *,
    returns: Mapping[int, Models],
    body: type[RequestBody] | None = None,
    query: type[BaseModel] | None = None,
    errors: Sequence[ApiError] = (),
    headers: Mapping[str, str] | None = None,
    header_parameters: Mapping[str, str] | None = None,
    operation_id: str = "",
) -> Callable[[View], View]:
    """Return a decorator that describes a method of an ApiView, or a view function.

    `returns` has the model of the body for each status of a success; None is no body. `errors` are examples of what
    the view raises. `headers` are header fields of the successes with example values, and `header_parameters` those
    of the request with a sentence about each.
    """
    responses = (*successes(returns, headers or {}), *map(error_response, errors))
    return attach_description(
        ViewDescription(
            responses,
            body=body,
            body_media_types=MEDIA_TYPES,
            may_omit_body=body is not None and not any(field.is_required() for field in body.model_fields.values()),
            query=query,
            header_parameters=header_parameters or {},
            operation_id=operation_id,
        )
    )


def error_response(error: ApiError) -> ResponseDescription:
    """Return the description of `error`, whose body is its example."""
    if error.body is None:
        return ResponseDescription(error.status, None, headers=error.headers)
    example = error.body.model_dump(mode="json")
    return ResponseDescription(
        error.status, type(error.body), _example_name(error.body, example), example, error.headers
    )


def _example_name(body: BaseModel, example: object) -> str:
    """Return the code of an error, the name of its first field, or the first words of its text."""
    if isinstance(body, CodedErrorResponse):
        return body.code
    if isinstance(example, dict) and "code" in example:
        return str(example["code"])
    if isinstance(body, ErrorResponse):
        text = body.detail
    elif isinstance(example, dict):
        text = " ".join([*example, *next(iter(example.values()))])
    else:
        text = str(example[0]) if isinstance(example, list) else ""
    return "_".join("".join(filter(_is_plain, text)).lower().split()[:_WORDS_OF_NAME])


def _is_plain(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character in " _")
