"""Read a request body into a model: JSON, a URL-encoded form or a multipart form.

A repeated field is refused, and so are bytes that are not UTF-8. Such bytes are never replaced, because two different
passwords would become equal.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar
from urllib.parse import parse_qsl

from flask import request
from pydantic import ValidationError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from auth_service.api.errors import invalid_fields, malformed_body, unsupported_media_type
from auth_service.api.models.base import RequestBody
from auth_service.api.models.field_errors import field_errors
from chassis.json_body import JSON, MalformedJson, parse_json

MAX_BODY = 64 * 1024
"""Bytes. A longer body is answered 413."""
_MAX_FORM_FIELDS = 100
"""Fields or parts of a form. A form with more is answered 400."""

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_REPEATED_KEY = "This key appears twice."
MEDIA_TYPES = ("application/json", _FORM, _MULTIPART)
"""The media types that read_body reads."""

Body = TypeVar("Body", bound=RequestBody)


def read_body(model: type[Body]) -> Body:
    """Return the request's body as `model`. An empty body counts as an object without members.

    Raises ApiError(400) with every invalid field, or ApiError(415).
    """
    try:
        return model.model_validate(_members())
    except ValidationError as error:
        raise invalid_fields(field_errors(error)) from error


def _members() -> dict[str, JSON]:
    media_type = request.mimetype
    body = request.get_data(cache=True)
    if not body:
        return {}
    if media_type == "application/json":
        return _json_members(body)
    if media_type == _FORM:
        return _form_members(body)
    if media_type == _MULTIPART:
        return _unique_members(_multipart_pairs(body, request.mimetype_params.get("boundary", "")))
    raise unsupported_media_type(request.content_type or "")


def _json_members(body: bytes) -> dict[str, JSON]:
    try:
        value = parse_json(body)
    except MalformedJson as error:
        if error.field is not None:
            raise invalid_fields({error.field: [error.reason]}) from error
        raise malformed_body(f"JSON parse error - {error.reason}") from error
    if isinstance(value, dict):
        return value
    kind = type(value).__name__
    text = "No data provided" if value is None else f"Invalid data. Expected a dictionary, but got {kind}."
    raise invalid_fields({"non_field_errors": [text]})


def _form_members(body: bytes) -> dict[str, JSON]:
    try:
        # Bytes that are not UTF-8 become lone surrogates, which the model rejects with the name of the field.
        pairs = parse_qsl(
            body.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MAX_FORM_FIELDS,
        )
    except ValueError as error:
        raise malformed_body("Form parse error - too many fields") from error
    return _unique_members(pairs)


def _unique_members(pairs: Iterable[tuple[str, JSON]]) -> dict[str, JSON]:
    members: dict[str, JSON] = {}
    for name, value in pairs:
        if name in members:
            raise invalid_fields({_printable_name(name): [_REPEATED_KEY]})
        members[name] = value
    return members


def _printable_name(name: str) -> str:
    return name if name.isprintable() else "non_field_errors"


def _multipart_pairs(body: bytes, boundary: str) -> Iterator[tuple[str, JSON]]:
    """Yield the name and text of each part of a multipart body (RFC 7578). Raises ApiError(400).

    A file becomes an empty object, which the model rejects. Bytes that are not UTF-8 become lone surrogates.
    """
    decoder = MultipartDecoder(boundary.encode("latin-1", "replace"), MAX_BODY, max_parts=_MAX_FORM_FIELDS)
    name, data, is_file = "", b"", False
    try:
        decoder.receive_data(body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                if event.name is None:  # RFC 7578 4.2 requires a name, the decoder does not
                    raise malformed_body("Multipart form parse error")
                name, data, is_file = event.name, b"", isinstance(event, File)
            elif isinstance(event, Data):
                data += event.data
                if not event.more_data:
                    yield name, {} if is_file else data.decode("utf-8", "surrogateescape")
    except (ValueError, RequestEntityTooLarge) as error:
        raise malformed_body("Multipart form parse error") from error
