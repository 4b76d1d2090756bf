"""Reads fields whose value is a comma-separated list. RFC 9110 5.6.1."""

from collections.abc import Iterable

Fields = Iterable[tuple[bytes, bytes]]

_OWS = b" \t"


def elements(value: bytes) -> list[bytes]:
    """The elements of a list, in order, without the white space around them and without empty ones."""
    return [element for part in value.split(b",") if (element := part.strip(_OWS))]


def elements_of(fields: Fields, name: bytes) -> list[bytes]:
    """The elements of every field called `name` (in lower case), which are one list in their order (5.3)."""
    return [element for known, value in fields if known == name for element in elements(value)]
