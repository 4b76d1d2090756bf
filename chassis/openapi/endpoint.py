"""The endpoint /openapi.json of a service, which the gateway joins with the documents of other services."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from flask import Blueprint, Response

OPENAPI_PATH = "/openapi.json"


def openapi_blueprint(write: Callable[[], dict[str, Any]]) -> Blueprint:
    """Return the blueprint of OPENAPI_PATH. `write` is called once, at the first request."""
    blueprint = Blueprint("openapi", __name__)

    @cache
    def body() -> str:
        return json.dumps(write())

    @blueprint.get(OPENAPI_PATH)
    def openapi() -> Response:
        return Response(f"{body()}\n", content_type="application/json")

    return blueprint
