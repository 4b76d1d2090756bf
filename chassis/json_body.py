"""Owns how a JSON body is read: strictly, so that two readers can never understand it differently.

Refused are: bad UTF-8, NaN and the infinities, duplicate keys, nesting over 100 levels, lone surrogates and
NUL (RFC 8259 leaves each to the reader; databases and other languages choke on the last two).
"""

import json
from collections.abc import Iterator

MAX_DEPTH = 100

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]


class MalformedBody(ValueError):
    """The body is refused. `field` is the top-level member at fault, where there is one."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def parse_json(body: bytes) -> JSON:
    """The value in `body`. Raises MalformedBody."""
    try:
        value: JSON = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer
        )
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise MalformedBody(f"nested deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise MalformedBody(str(error)) from error
    _check(value)
    return value


def _check(value: JSON) -> None:
    members: Iterator[tuple[str | None, JSON]]
    members = iter(value.items()) if isinstance(value, dict) else iter([(None, value)])
    for field, member in members:
        _check_text(field or "", None)
        _check_member(field, member)


def _check_member(field: str | None, member: JSON) -> None:
    level: list[JSON] = [member]
    for _ in range(MAX_DEPTH):
        for text in level:
            if isinstance(text, str):
                _check_text(text, field)
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise MalformedBody(f"nested deeper than {MAX_DEPTH} levels", field)


def _children(parent: JSON) -> list[JSON]:
    if isinstance(parent, list):
        return parent
    if isinstance(parent, dict):
        return [*parent.keys(), *parent.values()]
    return []


def _check_text(text: str, field: str | None) -> None:
    if "\0" in text:
        raise MalformedBody("Null characters are not allowed.", field)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedBody("Lone surrogates are not allowed.", field) from error


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise MalformedBody("This key appears twice.", key if key.isprintable() else None)
        seen.add(key)
    raise AssertionError("unreachable: fewer members than pairs means a key came twice")


def _no_constant(name: str) -> JSON:
    raise MalformedBody(f"{name} is not a JSON value")


def _integer(digits: str) -> int:
    # CPython refuses to convert more than 4,300 digits with a ValueError of its own.
    if len(digits) > 400:
        raise MalformedBody("a number has over 400 digits")
    return int(digits)
