"""The .http file: requests for the REST Client of VS Code, and for the HTTP client of JetBrains."""

from collections.abc import Mapping
from typing import Any

from tests.openapi.requests_of import VARIABLES, ExampleRequest, example_requests

_HEAD = """\
# Every operation of the gateway's API, made from openapi.yaml by `make openapi`: change nothing here.
# Send "postLogIn" first: the others use the access token of its response.
"""


def http_file(document: Mapping[str, Any]) -> str:
    """Return the text of the .http file."""
    values = {**VARIABLES, "access": "{{postLogIn.response.body.access}}"}
    variables = "".join(f"@{name} = {value}\n" for name, value in values.items())
    return f"{_HEAD}\n{variables}{''.join(map(_request, example_requests(document)))}"


def _request(request: ExampleRequest) -> str:
    lines = ["", f"### {request.summary}", f"# @name {request.id}", f"{request.method} {request.url}"]
    if request.needs_token:
        lines.append("Authorization: Bearer {{access}}")
    if request.needs_requested_with:
        lines.append("X-Requested-With: http-file")
    if request.body:
        lines += ["Content-Type: application/json", "", request.body]
    return "\n".join(lines) + "\n"
