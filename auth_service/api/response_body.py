"""Write a response model as a JSON response."""

from flask import Response
from pydantic import BaseModel


def json_response(body: BaseModel, status: int = 200) -> Response:
    """Return `body` as JSON in ASCII, with a newline at the end."""
    return Response(f"{body.model_dump_json(ensure_ascii=True)}\n", status, content_type="application/json")
