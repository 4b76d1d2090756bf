"""The collection for Bruno: a file for each request, in a folder for each tag."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from textwrap import indent
from typing import Any

from tests.openapi.requests_of import VARIABLES, ExampleRequest, example_requests

_KEEP_TOKENS = """
script:post-response {
  if (res.body && res.body.access) {
    bru.setVar("access", res.body.access);
  }
}
"""


def bruno_files(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each file by its path in the folder of the collection."""
    files = {
        "bruno.json": json.dumps({"version": "1", "name": "Sallyport", "type": "collection"}, indent=2) + "\n",
        "environments/local.bru": _block("vars", [f"{name}: {value}".rstrip() for name, value in VARIABLES.items()]),
    }
    numbers: Counter[str] = Counter()
    for request in example_requests(document):
        numbers[request.tag] += 1
        files[f"{_file_name(request.tag)}/{request.id}.bru"] = _request(request, numbers[request.tag])
    return files


def _request(request: ExampleRequest, number: int) -> str:
    blocks = [
        _block("meta", [f"name: {request.summary}", "type: http", f"seq: {number}"]),
        _block(
            request.method.lower(),
            [
                f"url: {request.url}",
                f"body: {'json' if request.body else 'none'}",
                f"auth: {'bearer' if request.needs_token else 'none'}",
            ],
        ),
    ]
    if request.needs_token:
        blocks.append(_block("auth:bearer", ["token: {{access}}"]))
    if request.needs_requested_with:
        blocks.append(_block("headers", ["X-Requested-With: bruno"]))
    if request.body:
        blocks.append(_block("body:json", request.body.splitlines()))
    text = "\n".join(blocks)
    return text + _KEEP_TOKENS if request.id in ("postLogIn", "postRefresh") else text


def _block(name: str, lines: list[str]) -> str:
    return f"{name} {{\n{indent(chr(10).join(lines), '  ')}\n}}\n"


def _file_name(tag: str) -> str:
    return re.sub(r"\W+", "-", tag.lower())
