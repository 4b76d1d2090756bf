"""One request for each operation of the document, with its example, for clients such as .http files and Bruno."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VARIABLES: Mapping[str, str] = {
    "gateway": "http://127.0.0.1:8000",
    "access": "",
    "user_id": "0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11",
    "note_id": "0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11",
    "sid": "9f2c4e6a8b0d1f3a5c7e9b1d3f5a7c9e",
}
"""Values that requests share, with their first values."""

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class ExampleRequest:
    """A request. `url` and `body` contain variables as {{name}}."""

    id: str
    tag: str
    summary: str
    method: str
    url: str
    body: str
    needs_token: bool
    needs_requested_with: bool


def example_requests(document: Mapping[str, Any]) -> Iterator[ExampleRequest]:
    """Yield a request for each operation, in the order of the document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            schemes = {scheme for alternative in operation["security"] for scheme in alternative}
            yield ExampleRequest(
                id=operation["operationId"],
                tag=operation["tags"][0],
                summary=operation["summary"],
                method=method.upper(),
                url="{{gateway}}" + _PARAMETER.sub(r"{{\1}}", path),
                body=_body(operation),
                needs_token="accessToken" in schemes,
                needs_requested_with="accessToken" not in schemes and "requestedWith" in schemes,
            )


def _body(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return ""
    return json.dumps(content["example"], indent=2, ensure_ascii=False)
