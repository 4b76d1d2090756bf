"""Reads a body, JSON or a form of either kind, into members by name; one rule for all three.

A name that comes twice and bytes that are no UTF-8 are refused with the field's name, and never replaced: two
different passwords would become one.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from auth_service.api.errors import invalid_fields, malformed_body, unsupported_media_type
from chassis.json_body import JSON, MalformedBody, parse_json

MAX_BODY = 64 * 1024
"""Bytes."""
_MAX_FORM_FIELDS = 100

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
TWICE = "This key appears twice."
MEDIA_TYPES = ("application/json", _FORM, _MULTIPART)


def read_members() -> dict[str, JSON]:
    """The members of the request's body; none where it is empty. Raises AuthRefused 400 or 415."""
    media_type = request.mimetype
    body = request.get_data(cache=True)
    if not body:
        return {}
    if media_type == "application/json":
        return _json_members(body)
    if media_type == _FORM:
        return _form_members(body)
    if media_type == _MULTIPART:
        return _members(multipart_pairs(body, request.mimetype_params.get("boundary", "")))
    raise unsupported_media_type(request.content_type or "")


def _json_members(body: bytes) -> dict[str, JSON]:
    try:
        value = parse_json(body)
    except MalformedBody as error:
        if error.field is not None:
            raise invalid_fields({error.field: [error.reason]}) from error
        raise malformed_body(f"JSON parse error - {error.reason}") from error
    if isinstance(value, dict):
        return value
    said = (
        "No data provided"
        if value is None
        else f"Invalid data. Expected a dictionary, but got {type(value).__name__}."
    )
    raise invalid_fields({"non_field_errors": [said]})


def _form_members(body: bytes) -> dict[str, JSON]:
    try:
        # What is no UTF-8 becomes lone surrogates, which the field that holds them then refuses by name.
        pairs = parse_qsl(
            body.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MAX_FORM_FIELDS,
        )
    except ValueError as error:
        raise malformed_body("Form parse error - too many fields") from error
    return _members(pairs)


def _members(pairs: Iterable[tuple[str, JSON]]) -> dict[str, JSON]:
    members: dict[str, JSON] = {}
    for name, value in pairs:
        if name in members:
            raise invalid_fields({_shown(name): [TWICE]})
        members[name] = value
    return members


def _shown(name: str) -> str:
    return name if name.isprintable() else "non_field_errors"


def multipart_pairs(body: bytes, boundary: str) -> Iterator[tuple[str, JSON]]:
    """The parts of a multipart body (RFC 7578); a file is an empty object, which no field takes for a text.

    Bytes that are no UTF-8 become lone surrogates, as in a form. Raises AuthRefused 400.
    """
    decoder = MultipartDecoder(boundary.encode("latin-1", "replace"), MAX_BODY, max_parts=_MAX_FORM_FIELDS)
    name, data, is_file = "", b"", False
    try:
        decoder.receive_data(body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                if event.name is None:  # RFC 7578 4.2; its type does not say that it can be missing
                    raise malformed_body("Multipart form parse error")
                name, data, is_file = event.name, b"", isinstance(event, File)
            elif isinstance(event, Data):
                data += event.data
                if not event.more_data:
                    yield name, {} if is_file else data.decode("utf-8", "surrogateescape")
    except (ValueError, RequestEntityTooLarge) as error:
        raise malformed_body("Multipart form parse error") from error
