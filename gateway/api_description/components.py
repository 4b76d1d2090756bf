"""The components of one OpenAPI document under new names: each is copied once, with the references that it has."""

import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

SECTIONS = ("schemas", "responses", "parameters", "examples", "requestBodies", "headers")
PREFIX = "#/components/"
_MAX_STEPS = 100
"""References that are followed from one object to the next."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)


class UnusablePart(ValueError):
    """A part of a document is malformed, or refers to nothing or out of the document. The message is the reason."""


class Key(NamedTuple):
    """The section and the name of a component."""

    section: str
    name: str


@dataclass(frozen=True, slots=True)
class CopiedComponent:
    """A copy of a component, and the components to which it refers directly."""

    value: Any
    references: tuple[Key, ...]


CopyComponent = Callable[[Key, Any], CopiedComponent]
"""Returns the copy of a component. Raises UnusablePart."""


class Components:
    """The components of a document. Their new names begin with `prefix`."""

    def __init__(self, source: object, prefix: str, copy: CopyComponent) -> None:
        self._source: Mapping[str, Any] = source if isinstance(source, dict) else {}
        self._prefix = prefix
        self._copy = copy
        self._copies: dict[Key, CopiedComponent | UnusablePart] = {}
        self._names: dict[Key, Key] = {}
        self._taken: set[Key] = set()

    def renamed(self, key: Key) -> Key:
        """Return the section and the new name of a component, which has only characters that OpenAPI allows."""
        if key not in self._names:
            name = self._prefix + _NOT_IN_NAMES.sub("_", key.name)
            while Key(key.section, name) in self._taken:
                name += "_"
            self._names[key] = Key(key.section, name)
            self._taken.add(self._names[key])
        return self._names[key]

    def resolve(self, part: object) -> Mapping[str, Any]:
        """Return the object that `part` is or refers to. Raises UnusablePart."""
        for _ in range(_MAX_STEPS):
            if not isinstance(part, dict):
                break
            if not isinstance(part.get("$ref"), str):
                return part
            part = self._target(parse_reference(part["$ref"]))
        raise UnusablePart("it is not an object")

    def needed(self, references: Collection[Key]) -> dict[Key, Any]:
        """Return the copies of the components `references`, and of those that these need, by new name.

        References are followed without recursion: models of an application form chains of any length.
        Raises UnusablePart if one of the components cannot be used.
        """
        found: dict[Key, Any] = {}
        waiting, seen = deque(references), set(references)
        while waiting:
            key = waiting.popleft()
            component = self._copied(key)
            found[self.renamed(key)] = component.value
            waiting += [each for each in component.references if each not in seen]
            seen.update(component.references)
        return found

    def _copied(self, key: Key) -> CopiedComponent:
        if key not in self._copies:
            try:
                self._copies[key] = self._copy(key, self._target(key))
            except UnusablePart as error:
                self._copies[key] = UnusablePart(f"{PREFIX}{key.section}/{key.name}: {error}"[:200])
        copied = self._copies[key]
        if isinstance(copied, UnusablePart):
            raise UnusablePart(str(copied))
        return copied

    def _target(self, key: Key) -> Any:
        found = self._source.get(key.section)
        if not isinstance(found, dict) or key.name not in found:
            raise UnusablePart(f"{PREFIX}{key.section}/{key.name} does not exist"[:200])
        return found[key.name]


def parse_reference(reference: str) -> Key:
    """Return the component to which a reference points (RFC 6901). Raises UnusablePart for another one."""
    section, _, name = reference.removeprefix(PREFIX).partition("/")
    if not reference.startswith(PREFIX) or section not in SECTIONS or not name or "/" in name:
        raise UnusablePart(f"{reference[:100]} is no reference to a component")
    return Key(section, unquote(name).replace("~1", "/").replace("~0", "~"))
