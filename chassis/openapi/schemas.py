"""The JSON Schemas of pydantic models as components of an OpenAPI document, and examples of them."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

Mode = Literal["validation", "serialization"]
Schema = dict[str, Any]
Keys = dict[tuple[type[BaseModel], Mode], Schema]
"""The reference to the component of each model."""

REFERENCE = "#/components/schemas/"


def component_schemas(
    requests: Iterable[type[BaseModel]], responses: Iterable[type[BaseModel]]
) -> tuple[Keys, dict[str, Schema]]:
    """Return the references to the components of all models, and the components by name, sorted.

    Unlike in a request, a field of a response is always there, although it may have a default.
    """
    models: dict[tuple[type[BaseModel], Mode], None] = {}
    models.update(dict.fromkeys((model, "validation") for model in requests))
    models.update(dict.fromkeys((model, "serialization") for model in responses))
    keys, definitions = models_json_schema(list(models), ref_template=REFERENCE + "{model}")
    schemas: dict[str, Schema] = definitions.get("$defs", {})
    for schema in schemas.values():
        _remove_titles(schema)
    references = {
        (model, mode): reference for (model, mode), reference in keys.items() if issubclass(model, BaseModel)
    }
    return references, dict(sorted(schemas.items()))


def inline_schema(model: type[BaseModel]) -> Schema:
    """Return the schema of `model` without references."""
    schema = model.model_json_schema(ref_template="{model}")
    _remove_titles(schema)
    inlined: Schema = _without_references(schema, schema.pop("$defs", {}))
    return inlined


def example_of(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """Return an example of `schema`, from the examples of its fields."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(REFERENCE)], components)
    for keyword in ("examples", "enum"):
        if keyword in schema:
            return schema[keyword][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], components)
    if "properties" in schema:
        return {name: example_of(found, components) for name, found in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], components)] if "items" in schema else []
    return {"object": {}, "boolean": True, "null": None, "integer": 1, "number": 1.5}.get(schema.get("type", ""), "")


def _without_references(schema: Any, definitions: Mapping[str, Schema]) -> Any:
    if isinstance(schema, list):
        return [_without_references(value, definitions) for value in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _without_references(definitions[schema["$ref"]], definitions)
    return {key: _without_references(value, definitions) for key, value in schema.items()}


def _remove_titles(schema: Any) -> None:
    """Remove the titles that pydantic makes of names: they say nothing more."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for value in schema.values():
            _remove_titles(value)
    elif isinstance(schema, list):
        for value in schema:
            _remove_titles(value)
