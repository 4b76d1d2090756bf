"""Problem details (RFC 9457) in an OpenAPI document: the model of their body, and the description of each code."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chassis.openapi.description import ResponseDescription
from contract.problems import PROBLEM_JSON, ProblemCode, Refused

REQUEST_ID = "5b1f3a5c7e9b1d3f5a7c9e0b2d4f6a8c"
"""The request id in examples."""


class ProblemDetails(BaseModel):
    """An error of the gateway or of a service (RFC 9457). Clients compare `code`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:sallyport:problem:not_found"])
    title: str = Field(examples=["There is nothing here."])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is nothing here."])
    code: str = Field(examples=["not_found"])
    request_id: str = Field(examples=[REQUEST_ID])
    errors: dict[str, list[str]] = Field(
        default_factory=dict,
        examples=[{"title": ["This field is required."]}],
        description="Only with the code `invalid_fields`: the texts for each invalid field.",
    )


def problem(
    code: ProblemCode, detail: str = "", *, retry_after: int | None = None, extra: dict[str, Any] | None = None
) -> ResponseDescription:
    """Return the description of the response with the error `code`. `retry_after` is in seconds."""
    refused = Refused(code, detail, retry_after=retry_after, extra=extra or {})
    return ResponseDescription(
        refused.status,
        ProblemDetails,
        name=code,
        example=refused.to_members(REQUEST_ID),
        headers=refused.to_headers(),
        media_type=PROBLEM_JSON,
    )
