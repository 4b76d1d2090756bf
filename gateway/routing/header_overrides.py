"""Header fields that a route sets on a message. They replace fields of the same name."""

from collections.abc import Mapping
from dataclasses import dataclass

HeaderField = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class HeaderOverrides:
    """The fields (names in lower case), their `names`, and the fields as `lines` that each end with CRLF."""

    fields: tuple[HeaderField, ...]
    names: frozenset[bytes]
    lines: bytes

    def apply(self, headers: list[HeaderField]) -> list[HeaderField]:
        """Return `headers` with these fields in place of those of the same name."""
        return [*(field for field in headers if field[0] not in self.names), *self.fields]


def header_overrides(values: Mapping[str, str]) -> HeaderOverrides | None:
    """Return the overrides for these names and values, which must be plain ASCII; None if `values` is empty."""
    if not values:
        return None
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items()).encode("ascii")
    fields = tuple((name.lower().encode("ascii"), value.encode("ascii")) for name, value in values.items())
    return HeaderOverrides(fields, frozenset(name for name, _ in fields), lines)
