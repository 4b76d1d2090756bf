"""Reads fields whose value is a comma-separated list. RFC 9110 5.6.1."""

from collections.abc import Iterable

Fields = Iterable[tuple[bytes, bytes]]

OWS = b" \t"
"""White space that may stand around a field's value and a list's elements (RFC 9110 5.6.3); no other may."""


def elements(value: bytes) -> list[bytes]:
    """The elements of a list, in order, without the white space around them and without empty ones."""
    return [element for part in value.split(b",") if (element := part.strip(OWS))]


def elements_of(fields: Fields, name: bytes) -> list[bytes]:
    """The elements of every field called `name` (in lower case), which are one list in their order (5.3)."""
    return [element for known, value in fields if known == name for element in elements(value)]
