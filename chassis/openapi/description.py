"""The description of a view: its bodies and responses. The decorator `described` attaches it to a view.

The decorator returns the view itself, so a description costs a request nothing. The document is written from the
descriptions when it is first requested.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

JSON = "application/json"

View = TypeVar("View", bound=Callable[..., Any])
Models = type[BaseModel] | tuple[type[BaseModel], ...] | None
"""The model of a body, several models if settings or the request decide which it is, or None for no body."""

_ATTRIBUTE = "openapi_description"


@dataclass(frozen=True, slots=True)
class ResponseDescription:
    """A response that a view can send. Several with the same status are examples of this status.

    Without `example`, the example of a body is made of the examples of its model's fields.
    """

    status: int
    body: type[BaseModel] | None
    name: str = ""
    """The name of the example: the error code, or the first words of the text."""
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields with example values."""
    media_type: str = JSON

    @property
    def has_content(self) -> bool:
        """Return whether the response has a body: one with a model, or a text with an example."""
        return self.body is not None or self.example is not None


@dataclass(frozen=True, slots=True)
class ViewDescription:
    """What a view reads and sends. The document takes summary and text from the view's docstring."""

    responses: tuple[ResponseDescription, ...]
    body: type[BaseModel] | None = None
    body_media_types: tuple[str, ...] = (JSON,)
    may_omit_body: bool = False
    """Whether a request without a body counts as one with an empty object."""
    query: type[BaseModel] | None = None
    """A model whose fields are the query parameters."""
    header_parameters: Mapping[str, str] = field(default_factory=dict)
    """Request header fields that the view reads, with a sentence about each."""
    needs_caller: bool = True
    """Whether a request needs credentials."""
    operation_id: str = ""
    """The name of the operation for code generators; empty: made of the view's name."""


def described(description: ViewDescription) -> Callable[[View], View]:
    """Return a decorator that attaches `description` to a view: to a function, or to a method of a class."""

    def attach(view: View) -> View:
        setattr(view, _ATTRIBUTE, description)
        return view

    return attach


def description_of(view: object) -> ViewDescription | None:
    """Return the description that `described` attached to `view`; None if there is none."""
    found = getattr(view, _ATTRIBUTE, None)
    return found if isinstance(found, ViewDescription) else None


def successes(
    returns: Mapping[int, Models], headers: Mapping[str, str], media_type: str = JSON
) -> Sequence[ResponseDescription]:
    """Return the descriptions of the responses with a status in `returns`, which all have `headers`."""
    return [
        ResponseDescription(status, model, headers=headers, media_type=media_type)
        for status, models in returns.items()
        for model in (models if isinstance(models, tuple) else (models,))
    ]
