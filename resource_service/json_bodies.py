"""Read JSON request bodies into pydantic models, and write models as JSON responses."""

from typing import TypeVar

from flask import Response, request
from pydantic import BaseModel, ValidationError

from chassis.json_body import MalformedJson, parse_json
from contract.problems import Refused
from resource_service.errors import invalid_fields, invalid_model

Model = TypeVar("Model", bound=BaseModel)


def read_body(model: type[Model]) -> Model:
    """Return the request's body as `model`. Raises Refused(400), which names every invalid field, or Refused(415)."""
    if not request.is_json:
        raise Refused("unsupported_media_type", "Send application/json.")
    try:
        value = parse_json(request.get_data())
    except MalformedJson as error:
        if error.field is None:
            raise Refused("bad_body", f"JSON parse error - {error.reason}") from error
        raise invalid_fields({error.field: error.reason}) from error
    if not isinstance(value, dict):
        raise Refused("bad_body", "Expected a JSON object.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_model(error) from error


def json_response(body: BaseModel, status: int = 200) -> Response:
    """Return `body` as JSON, with a newline at the end."""
    return Response(f"{to_json(body)}\n", status, content_type="application/json")


def to_json(body: BaseModel) -> str:
    """Return `body` as JSON in ASCII, without Unicode line separators, which would split a line of NDJSON."""
    return body.model_dump_json(ensure_ascii=True)
