"""Copy the parts of a service's OpenAPI document: parameters, bodies, responses and schemas.

A document comes from a service that may have errors. A part has only the members that OpenAPI 3.1 gives it, each of
the right type: another member is left out, and a wrong value makes the whole operation unusable. So the joined
document stays valid whatever a service sends.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.api_description.components import PREFIX, Components, CopiedComponent, Key, UnusablePart, parse_reference

MAX_DEPTH = 100
"""Maximum depth of a schema or a value, without the components to which it refers."""
_PLACES = ("query", "header", "path", "cookie")
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose value has a schema for each name."""
_VALUES = frozenset({"example", "examples", "default", "const", "enum"})
"""Keywords whose value is data, in which $ref is no reference."""
_DROPPED = frozenset({"$id", "$schema", "$anchor"})
"""Keywords that would give references within the schema another meaning in the joined document."""

Copy = Callable[[object], Any]
Members = Mapping[str, Copy]


def components_of(document: Mapping[str, Any], prefix: str) -> Components:
    """Return the components of a document, whose new names begin with `prefix`."""

    def copy(key: Key, part: object) -> CopiedComponent:
        copier = PartCopier(components)
        value = copier.component(key.section, part)
        return CopiedComponent(value, tuple(copier.references))

    components = Components(document.get("components"), prefix, copy)
    return components


class PartCopier:
    """Copies parts of one operation or component, and collects in `references` the components that they need.

    Each method raises UnusablePart for a part that is malformed.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self.references: dict[Key, None] = {}
        examples: Members = {"example": _plain, "examples": self._each(self.example, "examples")}
        described: Members = {"description": _text, "required": _flag, "deprecated": _flag}
        style: Members = {"style": _text, "explode": _flag, "allowReserved": _flag}
        self._media_type: Members = {"schema": self.schema, **examples, "encoding": self._each(self._encoding)}
        value: Members = {"schema": self.schema, "content": self._content, **examples}
        self._header: Members = {**described, **value, "explode": _flag}
        self._parameter: Members = {
            **described,
            **value,
            **style,
            "name": _text,
            "in": _place,
            "allowEmptyValue": _flag,
        }
        self._response: Members = {
            "description": _text,
            "content": self._content,
            "headers": self._each(self.header, "headers"),
        }
        self._body: Members = {"description": _text, "content": self._content, "required": _flag}
        self._encoded: Members = {**style, "contentType": _text, "headers": self._each(self.header, "headers")}

    def component(self, section: str, part: object) -> Any:
        """Return a copy of a component of `section`."""
        if section == "schemas":
            return self.schema(part)
        by_section: Mapping[str, Copy] = {
            "parameters": self.parameter,
            "examples": self.example,
            "requestBodies": self.request_body,
            "headers": self.header,
            "responses": self.response,
        }
        return by_section[section](self.components.resolve(part))

    def operation_text(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of what describes the operation in words."""
        members: Members = {
            "summary": _text,
            "description": _text,
            "deprecated": _flag,
            "externalDocs": lambda part: _members(part, {"url": _text, "description": _text}, ("url",)),
        }
        return _members(operation, members)

    def parameter(self, part: object) -> dict[str, Any]:
        """Return a copy of a parameter."""
        copied = _members(part, self._parameter, ("name", "in"))
        _check_value(copied)
        if copied["in"] == "path":
            copied["required"] = True
        return copied

    def header(self, part: object) -> dict[str, Any]:
        """Return a copy of a header."""
        copied = _members(part, self._header)
        _check_value(copied)
        return copied

    def response(self, part: object) -> dict[str, Any]:
        """Return a copy of a response."""
        return {"description": "", **_members(part, self._response)}

    def request_body(self, part: object) -> dict[str, Any]:
        """Return a copy of a request body."""
        return _members(part, self._body, ("content",))

    def referable(self, part: object, section: str, copy: Copy) -> Any:
        """Return a copy of a part, or of the reference to a component of `section` in its place."""
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            return {"$ref": self._reference(part["$ref"], section)}
        return copy(part)

    def example(self, part: object) -> dict[str, Any]:
        """Return a copy of an example with its name."""
        return _members(part, {"summary": _text, "description": _text, "value": _plain, "externalValue": _text})

    def schema(self, part: object, depth: int = 0) -> Any:
        """Return a copy of a schema with renamed references."""
        if isinstance(part, bool):
            return part
        if depth > MAX_DEPTH or not isinstance(part, dict):
            raise UnusablePart("a schema is nested too deeply" if depth > MAX_DEPTH else "a schema is not an object")
        return {key: self._keyword(key, value, depth + 1) for key, value in part.items() if key not in _DROPPED}

    def _keyword(self, key: str, value: object, depth: int) -> Any:
        if key == "$ref" and isinstance(value, str):
            return self._reference(value, "schemas")
        if key in _BY_NAME and isinstance(value, dict):
            return {name: self.schema(schema, depth) for name, schema in value.items()}
        if key in _VALUES:
            return _plain(value)
        if key == "discriminator" and isinstance(value, dict):
            return self._discriminator(value)
        if isinstance(value, dict):
            return self.schema(value, depth)
        if isinstance(value, list):
            return [self.schema(each, depth) if isinstance(each, dict) else _plain(each) for each in value]
        return value

    def _discriminator(self, part: dict[str, Any]) -> dict[str, Any]:
        def name_or_reference(value: object) -> str:
            text = _text(value)
            return self._reference(text, "schemas") if text.startswith("#") else text

        return _members(part, {"propertyName": _text, "mapping": self._each(name_or_reference)}, ("propertyName",))

    def _reference(self, text: str, section: str) -> str:
        key = parse_reference(text)
        if key.section != section:
            raise UnusablePart(f"{text[:100]} is no reference to one of the {section}")
        self.references[key] = None
        return PREFIX + "/".join(self.components.renamed(key))

    def _content(self, part: object) -> dict[str, Any]:
        copied: dict[str, Any] = self._each(lambda body: _members(body, self._media_type))(part)
        return copied

    def _encoding(self, part: object) -> dict[str, Any]:
        return _members(part, self._encoded)

    def _each(self, copy: Copy, section: str = "") -> Copy:
        """Return a function that copies each member of an object; with `section` also references to components."""

        def copy_each(part: object) -> dict[str, Any]:
            if not isinstance(part, dict):
                raise UnusablePart(f"{str(part)[:50]!r} is not an object")
            return {
                name: self.referable(value, section, copy) if section else copy(value) for name, value in part.items()
            }

        return copy_each


def _members(part: object, members: Members, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a copy of the members of an object that are in `members`."""
    if not isinstance(part, dict):
        raise UnusablePart(f"{str(part)[:50]!r} is not an object")
    missing = [name for name in required if name not in part]
    if missing:
        raise UnusablePart(f"{missing[0]} is missing")
    copied = {}
    for name, value in part.items():
        try:
            if name in members:
                copied[name] = members[name](value)
        except UnusablePart as error:
            raise UnusablePart(f"{name}: {error}") from error
    return copied


def _check_value(part: Mapping[str, Any]) -> None:
    """Check that a parameter or header has a schema, or the one media type of its value."""
    if ("schema" in part) == ("content" in part) or len(part.get("content", "1")) != 1:
        raise UnusablePart("it needs either a schema or content with one media type")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnusablePart(f"{str(value)[:50]!r} is not a string")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise UnusablePart(f"{str(value)[:50]!r} is neither true nor false")
    return value


def _place(value: object) -> str:
    if value not in _PLACES:
        raise UnusablePart(f"{str(value)[:50]!r} is none of {', '.join(_PLACES)}")
    return str(value)


def _plain(value: object, depth: int = 0) -> Any:
    """Return data as it is. Raises UnusablePart if it is nested too deeply."""
    if depth > MAX_DEPTH:
        raise UnusablePart("a value is nested too deeply")
    if isinstance(value, dict):
        return {key: _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, depth + 1) for each in value]
    return value
