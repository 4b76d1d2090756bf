"""Join the gateway's own OpenAPI document with those of its upstreams, as far as routes let clients through."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chassis.openapi.document import ACCESS_TOKEN
from contract.problems import PROBLEM_JSON, ProblemCode
from gateway.api_description.components import UnusablePart
from gateway.api_description.gateway_errors import NEVER_SENT, describe, error_codes, error_responses
from gateway.api_description.part_copier import PartCopier, components_of
from gateway.api_description.public_paths import public_operations
from gateway.pipeline.csrf import SAFE_METHODS
from gateway.routing.routes import Route, RouteTable

Document = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch")
_NAMED_EXAMPLES = 3
"""Number of examples in the name of a shared response."""
_OPERATION_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_PATH = re.compile(r"/(?:[!-~](?<![{}?#])|\{[A-Za-z0-9_.-]+\})*", re.ASCII)
_PATH_PARAMETER = re.compile(r"\{([^}]+)\}")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|XX)|default", re.ASCII)

LeftOut = Callable[[str, str, str], None]
"""Is called with the name of the upstream, the method and path of an operation that is left out, and the reason."""


def join(
    own: Document, upstreams: Mapping[str, Document], table: RouteTable, left_out: LeftOut = lambda *_: None
) -> Document:
    """Return `own` with the operations of `upstreams`, by name, that `table` lets through.

    Component names of an upstream get its name as a prefix, such as notes.Note. An operation that cannot be copied is
    left out and reported to `left_out`, so that a faulty document never makes the whole one invalid.
    """
    joined = _Joined(own, left_out)
    for name, document in upstreams.items():
        joined.add(name, document, table)
    return joined.document


class _Joined:
    def __init__(self, own: Document, left_out: LeftOut) -> None:
        self._left_out = left_out
        self.document: Document = {
            **own,
            "tags": list(own["tags"]),
            "paths": dict(own["paths"]),
            "components": {name: dict(section) for name, section in own["components"].items()},
        }
        self._ids = {operation["operationId"] for item in own["paths"].values() for operation in item.values()}

    def add(self, name: str, document: Document, table: RouteTable) -> None:
        """Add the operations of an upstream's document, with the components and tags that they use."""
        used_tags: set[str] = set()
        components = components_of(document, f"{name}.")
        for path, method, item, operation in _operations(document):
            for public, route in public_operations(table, name, path, method):
                if method in self.document["paths"].get(public, {}):
                    continue
                copier = PartCopier(components)
                try:
                    copied = _copied_operation(copier, path, item, operation)
                    needed = components.needed(copier.references)
                except UnusablePart as error:
                    self._left_out(name, f"{method.upper()} {path}", str(error))
                    continue
                for (section, component), value in needed.items():
                    self.document["components"].setdefault(section, {})[component] = value
                self._add_operation(name, public, method, self._with_gateway(copied, route, method))
                used_tags.update(copied.get("tags", ()))
        self._add_tags(document.get("tags"), used_tags)

    def _add_operation(self, name: str, path: str, method: str, operation: Document) -> None:
        wanted = operation.get("operationId")
        if not isinstance(wanted, str) or not _OPERATION_ID.fullmatch(wanted):
            wanted = "_".join((method, *re.findall(r"\w+", path)))
        unique = wanted if wanted not in self._ids else f"{name}_{wanted}"
        while unique in self._ids:
            unique += "_"
        self._ids.add(unique)
        operation["operationId"] = unique
        self.document["paths"].setdefault(path, {})[method] = operation

    def _add_tags(self, tags: object, used: set[str]) -> None:
        known = {tag["name"] for tag in self.document["tags"]}
        for tag in tags if isinstance(tags, list) else ():
            name = tag.get("name") if isinstance(tag, dict) else None
            if isinstance(name, str) and name in used - known:
                description = tag.get("description")
                text = {"description": description} if isinstance(description, str) else {}
                self.document["tags"].append({"name": name, **text})
                known.add(name)

    def _with_gateway(self, operation: Document, route: Route, method: str) -> Document:
        """Return a service's operation with the gateway's security and errors."""
        needs_caller = not route.public or bool(operation.pop("security", None))
        operation.pop("security", None)
        codes = list(error_codes(route, method.upper(), needs_caller=needs_caller))
        self._add_examples(codes)
        responses = operation["responses"]
        for status, response in error_responses(codes).items():
            responses[status] = _merged(responses[status], response) if status in responses else response
        operation["responses"] = {
            status: self._shared(responses[status]) if status >= "4" else responses[status]
            for status in sorted(responses)
        }
        operation["security"] = _security(method) if needs_caller else []
        return operation

    def _shared(self, response: Document) -> Document:
        """Return a reference to the component for an error response. Operations with the same response share it."""
        shared = self.document["components"].setdefault("responses", {})
        name = _response_name(response)
        while shared.setdefault(name, response) != response:
            name += "-"
        return {"$ref": f"#/components/responses/{name}"}

    def _add_examples(self, codes: list[ProblemCode]) -> None:
        examples = self.document["components"].setdefault("examples", {})
        for code in codes:
            examples.setdefault(code, {"value": describe(code).example})


def _response_name(response: Document) -> str:
    """Return a name made of the first examples of a response."""
    content = response.get("content")
    examples = [
        name
        for body in (content.values() if isinstance(content, dict) else ())
        if isinstance(body, dict) and isinstance(body.get("examples"), dict)
        for name in body["examples"]
    ]
    plain = [re.sub(r"[^A-Za-z0-9._]", "", name) for name in examples]
    others = f"-and-{len(plain) - _NAMED_EXAMPLES}-others" if len(plain) > _NAMED_EXAMPLES else ""
    return "-".join(plain[:_NAMED_EXAMPLES]) + others or "error"


def _security(method: str) -> list[dict[str, list[str]]]:
    """Return the ways in which a client can authenticate an operation with `method`."""
    cookie: dict[str, list[str]] = {"sessionCookie": []}
    if method.upper() not in SAFE_METHODS:
        cookie["requestedWith"] = []
    return [{ACCESS_TOKEN: []}, {ACCESS_TOKEN: [], "refreshToken": []}, cookie]


def _operations(document: Document) -> Iterator[tuple[str, str, Document, Document]]:
    """Yield path, method, path item and operation of everything in a document that has this form."""
    for path, item in document["paths"].items():
        if not isinstance(item, dict) or not _PATH.fullmatch(path):
            continue
        for method in _METHODS:
            operation = item.get(method)
            if isinstance(operation, dict) and isinstance(operation.get("responses"), dict):
                yield path, method, item, operation


def _copied_operation(copier: PartCopier, path: str, item: Document, operation: Document) -> Document:
    """Return what is kept of a service's operation at `path`. Raises UnusablePart."""
    copied: Document = copier.operation_text(operation)
    if "operationId" in operation:
        copied["operationId"] = operation["operationId"]
    tags = operation.get("tags")
    copied["tags"] = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    if "requestBody" in operation:
        copied["requestBody"] = copier.referable(operation["requestBody"], "requestBodies", copier.request_body)
    parameters = _parameters(copier, path, item, operation)
    if parameters:
        copied["parameters"] = parameters
    responses = {
        status: _without_internal(copier.response(copier.components.resolve(response)))
        for status, response in operation["responses"].items()
        if _STATUS.fullmatch(status)
    }
    copied["responses"] = {status: response for status, response in responses.items() if response is not None}
    if operation.get("security"):
        copied["security"] = operation["security"]
    return copied


def _parameters(copier: PartCopier, path: str, item: Document, operation: Document) -> list[Document]:
    """Return the parameters of an operation and its path item. Raises UnusablePart.

    Each name in `path` has one, and no other has the place `path`: a document that differs there is invalid.
    """
    own, shared = operation.get("parameters"), item.get("parameters")
    parts = [*(shared if isinstance(shared, list) else ()), *(own if isinstance(own, list) else ())]
    names = _PATH_PARAMETER.findall(path)
    # An operation's parameter replaces that of the path item with the same name (OpenAPI 3.1, 4.8.9).
    found = {
        (each["in"], each["name"]): each for each in map(copier.parameter, map(copier.components.resolve, parts))
    }
    for name in names:
        text = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        found.setdefault(("path", name), text)
    return [each for (place, name), each in found.items() if place != "path" or name in names]


def _without_internal(response: Document) -> Document | None:
    """Return a response without the examples of errors that no client gets; None if it is only for these."""
    content = response.get("content")
    problems = content.get(PROBLEM_JSON) if isinstance(content, dict) else None
    if not isinstance(problems, dict):
        return response
    examples = problems.get("examples")
    if not isinstance(examples, dict) or not NEVER_SENT & examples.keys():
        return response
    kept = {name: example for name, example in examples.items() if name not in NEVER_SENT}
    if not kept:
        return None
    return {**response, "content": {**response["content"], PROBLEM_JSON: {**problems, "examples": kept}}}


def _merged(service: Document, gateway: Document) -> Document:
    """Return the response of a service and that of the gateway with the same status as one."""
    content = dict(service["content"]) if isinstance(service.get("content"), dict) else {}
    added = gateway["content"][PROBLEM_JSON]
    present = content.get(PROBLEM_JSON)
    if isinstance(present, dict):
        schemas = [present.get("schema", True), added["schema"]]
        examples = present.get("examples")
        content[PROBLEM_JSON] = {
            "schema": {"anyOf": schemas},
            "examples": {**(examples if isinstance(examples, dict) else {}), **added["examples"]},
        }
    else:
        content[PROBLEM_JSON] = added
    headers = service.get("headers")
    merged_headers = {**(headers if isinstance(headers, dict) else {}), **gateway.get("headers", {})}
    merged = {**service, "content": content}
    merged["description"] = f"{service.get('description', '')} {gateway['description']}".strip()
    return {**merged, "headers": merged_headers} if merged_headers else merged
