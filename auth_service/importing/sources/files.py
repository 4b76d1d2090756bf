"""Read files with one user per line: JSON Lines and CSV."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from auth_service.importing.source_row import FIELDS, SourceError, SourceRow, UnreadableRow
from auth_service.importing.sources.columns import Columns

OWN_COLUMNS = Columns({name: name for name in FIELDS})
"""The columns of our own form, which the export writes."""

_MAX_LINE = 1_000_000
"""Characters of a line of JSON. A longer one is not read."""


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A file with a JSON object per line."""

    path: Path
    columns: Columns = OWN_COLUMNS

    def count(self) -> int | None:
        """Return the number of lines."""
        with open_text(self.path) as file:
            return sum(1 for line in file if line.strip())

    def rows(self) -> Iterator[SourceRow | UnreadableRow]:
        """Yield the users in the order of the lines. Raises SourceError."""
        with open_text(self.path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield self._row(number, line)

    def _row(self, number: int, line: str) -> SourceRow | UnreadableRow:
        try:
            values = json.loads(line) if len(line) <= _MAX_LINE else None
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            return UnreadableRow(number, "the line is not a JSON object")
        return SourceRow(number, self.columns.fields_of(values))


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file, whose first line has the names of the columns."""

    path: Path
    columns: Columns = OWN_COLUMNS

    def count(self) -> int | None:
        """Return None: a field may contain line ends, so lines are not rows."""
        return None

    def rows(self) -> Iterator[SourceRow | UnreadableRow]:
        """Yield the users in the order of the lines. Raises SourceError."""
        with open_text(self.path, newline="") as file:
            reader = csv.DictReader(file)
            id_column = self.columns.by_field["id"]
            if id_column not in (reader.fieldnames or ()):
                raise SourceError(f"{self.path}: the first line has no column {id_column}")
            try:
                for values in reader:
                    yield SourceRow(reader.line_num, self.columns.fields_of(values))
            except csv.Error as error:
                raise SourceError(f"{self.path}, line {reader.line_num}: {error}") from error


def open_text(path: Path, newline: str | None = None) -> TextIO:
    """Open a file of UTF-8 text. Raises SourceError."""
    try:
        return path.open(encoding="utf-8-sig", errors="replace", newline=newline)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
