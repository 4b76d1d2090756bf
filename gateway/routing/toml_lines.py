"""Finds the line on which each table, key and element of a TOML document stands: tomllib says what, and not where.

Made for documents that tomllib has taken: what is no TOML is not noticed here.
"""

import re
from collections.abc import Iterator, Mapping

Place = tuple[str | int, ...]
"""The way to a value: keys, and positions in arrays."""

_PIECE = re.compile(
    r"""
      (?P<skip>[ \t\r]+|\#[^\n]*)
    | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[\n\[\]{}=,.])
    | (?P<bare>[^\s\[\]{}=,.#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def lines_of(document: str) -> Mapping[Place, int]:
    """The line, from 1 on, of whatever is in `document`; of a table that its keys imply, that of the first."""
    return _Scan(document).lines


class _Scan:
    """One walk through a document, piece by piece."""

    def __init__(self, document: str) -> None:
        self.lines: dict[Place, int] = {}
        self._arrays: dict[Place, int] = {}
        self._pieces = _pieces(document)
        self._piece, self._line = "", 1
        self._next()
        table: Place = ()
        while self._piece:
            if self._piece == "\n":
                self._next()
            elif self._piece == "[":
                table = self._header()
            else:
                self._pair(table)

    def _next(self) -> None:
        self._piece, self._line = next(self._pieces, ("", self._line))

    def _header(self) -> Place:
        """`[a.b]` or `[[a.b]]`; a name of an array of tables means the last one in it."""
        line = self._line
        self._next()
        is_array = self._piece == "["
        if is_array:
            self._next()
        *above, name = self._key()
        place: Place = ()
        for part in above:
            place = self._newest((*place, part))
        place = (*place, name)
        if is_array:
            self._arrays[place] = self._arrays.get(place, -1) + 1
        place = self._newest(place)
        self._note(place, line)
        while self._piece == "]":
            self._next()
        return place

    def _newest(self, place: Place) -> Place:
        return (*place, self._arrays[place]) if place in self._arrays else place

    def _pair(self, table: Place) -> None:
        line = self._line
        place = (*table, *self._key())
        self._note(place, line)
        self._next()
        self._value(place)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while self._piece not in ("=", "]", ""):
            if self._piece != ".":
                parts.append(_unquoted(self._piece))
            self._next()
        return parts

    def _value(self, place: Place) -> None:
        if self._piece == "[":
            self._array(place)
        elif self._piece == "{":
            self._inline_table(place)
        else:
            while self._piece not in ("\n", ",", "]", "}", ""):
                self._next()

    def _array(self, place: Place) -> None:
        position = 0
        self._next()
        while self._piece not in ("]", ""):
            if self._piece in ("\n", ","):
                self._next()
                continue
            self._note((*place, position), self._line)
            self._value((*place, position))
            position += 1
        self._next()

    def _inline_table(self, place: Place) -> None:
        self._next()
        while self._piece not in ("}", ""):
            if self._piece in ("\n", ","):
                self._next()
            else:
                self._pair(place)
        self._next()

    def _note(self, place: Place, line: int) -> None:
        for length in range(1, len(place) + 1):
            self.lines.setdefault(place[:length], line)


def _pieces(document: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _PIECE.finditer(document):
        if match.lastgroup != "skip":
            yield match[0], line
        line += match[0].count("\n")


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]
    if key.startswith('"'):
        return _ESCAPE.sub(_character, key[1:-1])
    return key


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(escape[3], escape[3])
