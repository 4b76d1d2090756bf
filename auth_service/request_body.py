"""Owns how a body is read: JSON or a form, into members by name. What is ambiguous or no text at all is refused."""

from urllib.parse import parse_qsl

from flask import request

from auth_service.refusals import invalid_fields, malformed_body, unsupported_media_type
from chassis.json_body import JSON, MalformedBody, parse_json

MAX_BODY = 64 * 1024
"""Bytes."""
_MAX_FORM_FIELDS = 100

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
MEDIA_TYPES = ("application/json", _FORM, _MULTIPART)


def read_members() -> dict[str, JSON]:
    """The members of the request's body; none where it is empty. Raises AuthRefused 400 or 415."""
    media_type = request.mimetype
    if media_type == _MULTIPART:
        return dict(request.form.items())
    body = request.get_data(cache=True)
    if not body:
        return {}
    if media_type == "application/json":
        return _json_members(body)
    if media_type == _FORM:
        return _form_members(body)
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
    return dict(pairs)
