"""Owns how a JSON body is read: strictly, so that two readers can never understand it differently.

Refused are: bad UTF-8, NaN and the infinities, duplicate keys, nesting over 100 levels, lone surrogates and
NUL (RFC 8259 leaves each to the reader; databases and other languages choke on the last two).
"""

import json
import math

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
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer,
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
    if not isinstance(value, dict):
        _check_member(None, value, MAX_DEPTH)
        return
    for field, member in value.items():
        _check_text(field, None)
        _check_member(field, member, MAX_DEPTH - 1)


def _check_member(field: str | None, member: JSON, depth: int) -> None:
    level: list[JSON] = [member]
    for _ in range(depth + 1):
        for leaf in level:
            if isinstance(leaf, str):
                _check_text(leaf, field)
            elif isinstance(leaf, float) and math.isinf(leaf):  # 1e999 is an infinity, spelt as a number
                raise MalformedBody("This number is too large.", field)
        nested = [parent for parent in level if isinstance(parent, list | dict)]
        if not nested:
            return
        level = [child for parent in nested for child in _children(parent)]
    raise MalformedBody(f"nested deeper than {MAX_DEPTH} levels", field)


def _children(parent: list[JSON] | dict[str, JSON]) -> list[JSON]:
    return parent if isinstance(parent, list) else [*parent.keys(), *parent.values()]


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
