"""Owns the header fields that a route says by itself, whatever the other side says under their names."""

from collections.abc import Mapping
from dataclasses import dataclass

Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class FixedFields:
    """Fields as a message of ours has them (names in lower case), their `names`, and the same as ended `lines`."""

    fields: tuple[Field, ...]
    names: frozenset[bytes]
    lines: bytes

    def over(self, headers: list[Field]) -> list[Field]:
        """`headers` with these in the place of those of the same name."""
        return [*(field for field in headers if field[0] not in self.names), *self.fields]


def fixed_fields(values: Mapping[str, str]) -> FixedFields | None:
    """The fields of these names and values, which are known to be plain; None where there are none."""
    if not values:
        return None
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items()).encode("ascii")
    fields = tuple((name.lower().encode("ascii"), value.encode("ascii")) for name, value in values.items())
    return FixedFields(fields, frozenset(name for name, _ in fields), lines)
