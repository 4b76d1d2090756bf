"""Columns: which column of a source has which field, and which columns and groups give roles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from auth_service.importing.field_values import read_flag, read_roles
from auth_service.importing.source_row import FIELDS, SourceError

Convert = Callable[[object], object]
"""Converts the value of a column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table or file, by field. `roles` are pairs of a flag's column and the role that it gives."""

    by_field: Mapping[str, str]
    roles: Sequence[tuple[str, str]] = ()
    convert: Mapping[str, Convert] = field(default_factory=dict)
    """A conversion for the values of a field."""

    def changed(self, overrides: Mapping[str, str], roles: Sequence[tuple[str, str]]) -> "Columns":
        """Return the columns with those of `overrides`; an empty name removes one. Raises SourceError.

        `roles`, if there are any, replace the roles of the source.
        """
        unknown = overrides.keys() - set(FIELDS)
        if unknown:
            raise SourceError(f"there is no field {', '.join(sorted(unknown))}; the fields are {', '.join(FIELDS)}")
        by_field = {name: column for name, column in {**self.by_field, **overrides}.items() if column}
        return Columns(by_field, roles or self.roles, self.convert)

    def names(self) -> list[str]:
        """Return the names of all columns, each once."""
        return list(dict.fromkeys([*self.by_field.values(), *(column for column, _ in self.roles)]))

    def fields_of(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return the fields of a row, whose values are in `values` by column."""
        fields = {name: values.get(column) for name, column in self.by_field.items()}
        for name, convert in self.convert.items():
            if name in fields:
                fields[name] = convert(fields[name])
        granted = [role for column, role in self.roles if read_flag(values.get(column), default=False)]
        return fields | {"roles": [*read_roles(fields.get("roles")), *granted]}
