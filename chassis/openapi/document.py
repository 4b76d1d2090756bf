"""Write the OpenAPI 3.1 document of a Flask application from the descriptions of its views."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

from flask import Flask
from pydantic import BaseModel
from werkzeug.routing import Rule

from chassis.openapi.description import ResponseDescription, ViewDescription, description_of
from chassis.openapi.schemas import Keys, Mode, Schema, component_schemas, example_of, inline_schema

VERSION = "3.1.0"
ACCESS_TOKEN = "accessToken"  # noqa: S105 - the name of a security scheme
"""The security scheme of operations that need a caller."""

_METHODS = ("get", "post", "put", "patch", "delete")
_ARGUMENT = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_REASONS: Mapping[int, str] = {413: "Content Too Large", 422: "Unprocessable Content"}  # RFC 9110; Python's are older


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, with the view that serves it."""

    path: str
    method: str
    rule: Rule
    view: Callable[..., Any]
    view_class: type | None
    description: ViewDescription

    @property
    def id(self) -> str:
        """Return the operationId: that of the description, or the view's name, such as getUserList or listNotes."""
        if self.description.operation_id:
            return self.description.operation_id
        if self.view_class is not None:
            return f"{self.method}{self.view_class.__name__}"
        first, *others = self.view.__name__.split("_")
        return first + "".join(map(str.capitalize, others))


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of operations: those whose path begins with one of `prefixes`."""

    name: str
    description: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """What the document says of the service itself. A path is in the first of `tags` that fits.

    One that fits none is left out. `complete` returns the description of an operation with what its view's own
    description leaves out.
    """

    title: str
    version: str
    text: str
    tags: Sequence[Tag]
    complete: Callable[[Operation], ViewDescription]


def operations_of(app: Flask) -> Iterator[Operation]:
    """Yield the described operations of `app`, by path and method."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        view_class = getattr(view, "view_class", None)
        for method in _METHODS:
            if method.upper() not in (rule.methods or ()):
                continue
            function = getattr(view_class, method, None) if view_class else view
            description = description_of(function)
            if function is not None and description is not None:
                path = _ARGUMENT.sub(r"{\1}", rule.rule)
                yield Operation(path, method, rule, function, view_class, description)


def write_document(app: Flask, service: ServiceDescription) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    prefixes = tuple(prefix for tag in service.tags for prefix in tag.prefixes)
    operations = [
        replace(found, description=service.complete(found))
        for found in operations_of(app)
        if found.path.startswith(prefixes)
    ]
    descriptions = [found.description for found in operations]
    keys, components = component_schemas(
        [described.body for described in descriptions if described.body],
        [response.body for described in descriptions for response in described.responses if response.body],
    )
    writer = _Writer(keys, components)
    paths: dict[str, Any] = {}
    for found in operations:
        tag = next(tag for tag in service.tags if found.path.startswith(tag.prefixes))
        paths.setdefault(found.path, {})[found.method] = writer.operation(found, tag)
    return {
        "openapi": VERSION,
        "info": {"title": service.title, "version": service.version, "description": service.text},
        "tags": [{"name": tag.name, "description": tag.description} for tag in service.tags],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {ACCESS_TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


class _Writer:
    def __init__(self, keys: Keys, components: Mapping[str, Schema]) -> None:
        self._keys = keys
        self._components = components

    def operation(self, found: Operation, tag: Tag) -> dict[str, Any]:
        responses = found.description.responses
        summary, text = _summary_and_text(found.view.__doc__ or "")
        written: dict[str, Any] = {
            "operationId": found.id,
            "summary": summary,
            "tags": [tag.name],
            "security": [{ACCESS_TOKEN: []}] if found.description.needs_caller else [],
        }
        if text:
            written["description"] = text
        if parameters := [*_path_parameters(found.rule), *self._query(found), *_header_parameters(found)]:
            written["parameters"] = parameters
        if found.description.body is not None:
            written["requestBody"] = self._body(found.description, found.description.body)
        statuses = sorted({response.status for response in responses})
        written["responses"] = {
            str(status): self._response(status, [found for found in responses if found.status == status])
            for status in statuses
        }
        return written

    def _schema(self, model: type[BaseModel], mode: Mode) -> Schema:
        return self._keys[model, mode]

    def _query(self, found: Operation) -> Iterator[dict[str, Any]]:
        model = found.description.query
        if model is None:
            return
        for name, schema in inline_schema(model)["properties"].items():
            text = schema.pop("description", "")
            parameter = {"name": name, "in": "query", "schema": schema}
            yield {**parameter, "description": text} if text else parameter

    def _body(self, description: ViewDescription, model: type[BaseModel]) -> dict[str, Any]:
        schema = self._schema(model, "validation")
        example = example_of(schema, self._components)
        content = {name: {"schema": schema, "example": example} for name in description.body_media_types}
        return {"required": not description.may_omit_body, "content": content}

    def _response(self, status: int, responses: Sequence[ResponseDescription]) -> dict[str, Any]:
        names = ", ".join(f"`{response.name}`" for response in responses if response.name)
        reason = _REASONS.get(status) or HTTPStatus(status).phrase
        written: dict[str, Any] = {"description": f"{reason}: {names}" if names else f"{reason}."}
        headers = {name: value for response in responses for name, value in response.headers.items()}
        if headers:
            written["headers"] = {
                name: {"schema": {"type": "string"}, "example": value} for name, value in headers.items()
            }
        content = {
            media_type: self._content([found for found in responses if found.media_type == media_type])
            for media_type in dict.fromkeys(response.media_type for response in responses if response.has_content)
        }
        if content:
            written["content"] = content
        return written

    def _content(self, responses: Sequence[ResponseDescription]) -> dict[str, Any]:
        if responses[0].body is None:
            return {"schema": {"type": "string"}, "example": responses[0].example}
        models = dict.fromkeys(response.body for response in responses if response.body is not None)
        schemas = [self._schema(model, "serialization") for model in models]
        examples = {
            response.name or model.__name__: {
                "value": response.example
                if response.example is not None
                else example_of(self._schema(model, "serialization"), self._components)
            }
            for response in responses
            if (model := response.body) is not None
        }
        return {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, "examples": examples}


def _summary_and_text(docstring: str) -> tuple[str, str]:
    """Return the first sentence of a docstring without its full stop, and the rest with a line for each paragraph."""
    first, *others = (" ".join(paragraph.split()) for paragraph in cleandoc(docstring).split("\n\n"))
    summary, _, rest = first.partition(". ")
    return summary.rstrip("."), "\n\n".join(filter(None, (rest, *others)))


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments, key=lambda name: rule.rule.index(f"{name}>")):
        converter = rule._converters[name]
        schema: dict[str, Any] = {"type": "string"}
        if type(converter).__name__ == "UUIDConverter":
            schema |= {"format": "uuid", "examples": ["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"]}
        elif converter.regex == "[^/]{32}":
            schema |= {"pattern": "^[0-9a-f]{32}$", "examples": ["9f2c4e6a8b0d1f3a5c7e9b1d3f5a7c9e"]}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _header_parameters(found: Operation) -> Iterator[dict[str, Any]]:
    for name, text in found.description.header_parameters.items():
        yield {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
