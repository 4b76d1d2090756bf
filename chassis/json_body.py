"""Parse JSON bodies strictly, so that no two parsers can read one body differently.

Rejected: invalid UTF-8, NaN and infinities, integers of over 400 digits, floats too large for a double, duplicate
keys, more than 100 levels of nesting, lone surrogates and NUL. RFC 8259 leaves all but the first two to the parser.
Many databases and languages cannot store the last two.
"""

import json
import math

MAX_DEPTH = 100
"""Levels of nesting."""
_MAX_DIGITS = 400
"""Characters of an integer, with its sign: the largest double has 309 digits."""

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]
"""A parsed JSON value."""


class MalformedJson(ValueError):
    """The body is not acceptable JSON. `field` is the top-level member with the fault, or the duplicate key.

    It is None if the fault has no such member: wrong syntax, a number that is too long, or a fault in a name.
    """

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def parse_json(body: bytes) -> JSON:
    """Return the value in `body`. Raises MalformedJson."""
    try:
        value: JSON = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique_members,
            parse_constant=_refuse_constant,
            parse_int=_bounded_integer,
        )
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the body is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise MalformedJson(str(error)) from error
    _check_values(value)
    return value


def _check_values(value: JSON) -> None:
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
            elif isinstance(leaf, float) and math.isinf(leaf):  # 1e999 parses as infinity
                raise MalformedJson("This number is too large.", field)
        nested = [parent for parent in level if isinstance(parent, list | dict)]
        if not nested:
            return
        level = [child for parent in nested for child in _children(parent)]
    raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels", field)


def _children(parent: list[JSON] | dict[str, JSON]) -> list[JSON]:
    return parent if isinstance(parent, list) else [*parent.keys(), *parent.values()]


def _check_text(text: str, field: str | None) -> None:
    if "\0" in text:
        raise MalformedJson("Null characters are not allowed.", field)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedJson("Lone surrogates are not allowed.", field) from error


def _unique_members(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise MalformedJson("This key appears twice.", key if key.isprintable() else None)
        seen.add(key)
    raise AssertionError("unreachable: there are fewer members than pairs, so a key appears twice")


def _refuse_constant(name: str) -> JSON:
    raise MalformedJson(f"{name} is not a JSON value")


def _bounded_integer(digits: str) -> int:
    # Checked first, because int() raises a plain ValueError for more than 4,300 digits.
    if len(digits) > _MAX_DIGITS:
        raise MalformedJson(f"a number has over {_MAX_DIGITS} digits")
    return int(digits)
