"""Request and response bodies of the notes API, and its query parameters, as pydantic models."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from resource_service.errors import field_error

MAX_PAGE = 1_000_000
"""The highest page number. With MAX_PAGE_SIZE it limits the offset of a query."""
MAX_PAGE_SIZE = 100
"""Notes on one page."""
ALL_OWNERS = "*"
"""The value of `owner` that selects the notes of all owners. An empty value means the same."""

_POSITIVE_INTEGER = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)


def _require_value(value: object) -> object:
    if value is None:
        raise field_error("null")
    return value


def _trim(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def rfc3339_timestamp(time: datetime) -> str:
    """Return a time in UTC to the microsecond, such as 2026-11-23T19:08:00.000000Z. RFC 3339."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class _PositiveInteger:
    """A validator that parses a decimal number from 1 to `largest`, without sign or leading zeros."""

    largest: int

    def __call__(self, text: object) -> int:
        if not isinstance(text, str) or not _POSITIVE_INTEGER.fullmatch(text) or int(text) > self.largest:
            raise field_error("number", largest=self.largest)
        return int(text)


Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    BeforeValidator(_trim),
    BeforeValidator(_require_value),
    Field(examples=["Bread"]),
]
# Not trimmed, because leading spaces can have a meaning in a text.
Body = Annotated[
    str, StringConstraints(max_length=10_000), BeforeValidator(_require_value), Field(examples=["500 g flour"])
]
Timestamp = Annotated[datetime, PlainSerializer(rfc3339_timestamp), Field(examples=["2026-11-23T19:08:00.000000Z"])]
Owner = Annotated[
    str,
    StringConstraints(max_length=255),
    BeforeValidator(lambda text: ALL_OWNERS if text == "" else text),
    Field(examples=[ALL_OWNERS]),
]


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class NewNote(BaseModel):
    """The body of a request that creates a note. Other fields are ignored, also `id` and `owner`."""

    model_config = ConfigDict(frozen=True)

    title: Title
    body: Body = ""


class NoteChanges(BaseModel):
    """The body of a request that changes a note. A missing field means that it does not change."""

    model_config = ConfigDict(frozen=True, json_schema_extra=_without_defaults)

    title: Title = ""
    body: Body = ""

    def given_fields(self) -> dict[str, str]:
        """Return the fields that the request contains."""
        return self.model_dump(exclude_unset=True)


class NoteQuery(BaseModel):
    """The query parameters of a list or an export. Other parameters are ignored."""

    model_config = ConfigDict(frozen=True)

    page: Annotated[int, Field(ge=1, le=MAX_PAGE, examples=[2]), BeforeValidator(_PositiveInteger(MAX_PAGE))] = 1
    page_size: Annotated[
        int, Field(ge=1, le=MAX_PAGE_SIZE, examples=[50]), BeforeValidator(_PositiveInteger(MAX_PAGE_SIZE))
    ] = 20
    q: Annotated[str, StringConstraints(max_length=200), Field(examples=["bread"])] = ""
    """The text to search for in title and body; "" selects every note."""
    owner: Owner | None = None
    """The subject whose notes are selected, or ALL_OWNERS. None selects the caller's own notes."""

    @property
    def offset(self) -> int:
        """The number of notes on the pages before this one."""
        return (self.page - 1) * self.page_size

    def link(self, path: str, page: int) -> str:
        """Return the link to `page` of this list at `path`.

        It has no host (RFC 3986 4.2), so that a forged Host header cannot appear in a link.
        """
        parameters = {"page": str(page), "page_size": str(self.page_size)}
        if self.q:
            parameters["q"] = self.q
        if self.owner is not None:
            parameters["owner"] = self.owner
        return f"{path}?{urlencode(parameters)}"


class NoteResponse(BaseModel):
    """A note."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: UUID = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])
    owner: str = Field(examples=["5c7e9b1d-3f5a-4c9e-8b0d-1f3a9f2c4e6a"])
    title: str = Field(examples=["Bread"])
    body: str = Field(examples=["500 g flour"])
    created_at: Timestamp
    updated_at: Timestamp


class DeletedNote(BaseModel):
    """The data of the event `deleted`."""

    id: UUID = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])


class NotePageResponse(BaseModel):
    """One page of a list. `count` is the number of notes on all pages; `next` and `previous` are paths or null."""

    model_config = ConfigDict(frozen=True)

    count: int = Field(examples=[57])
    next: str | None = Field(examples=["/api/notes/?page=3&page_size=20"])
    previous: str | None = Field(examples=["/api/notes/?page=1&page_size=20"])
    results: list[NoteResponse]
