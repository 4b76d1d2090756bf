"""Problems in the routes file, each with the path of the invalid value, such as `routes[2].timeout.read`."""

from collections.abc import Callable, Mapping
from typing import Any

ValuePath = tuple[str | int, ...]
"""The keys and array indexes (from 0) that lead to a value in the file."""

ReportProblem = Callable[[ValuePath, str], None]
"""Record what is wrong with the value at a path."""


class RoutesError(Exception):
    """The routes file is rejected. The message has a line for each problem: file, path, reason."""


class Problems:
    """The problems found in one file. For each path the first problem is kept."""

    def __init__(self, file_name: str, document: Mapping[str, Any]) -> None:
        self._file_name = file_name
        self._document = document
        self._reasons: dict[ValuePath, str] = {}

    def add(self, path: ValuePath, reason: str) -> None:
        """Record what is wrong with the value at `path`."""
        self._reasons.setdefault(path, reason)

    def raise_if_any(self) -> None:
        """Raise RoutesError with all problems, if there are any."""
        if self._reasons:
            raise RoutesError("\n".join(self._line(path, reason) for path, reason in self._reasons.items()))

    def _line(self, path: ValuePath, reason: str) -> str:
        path_text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        return f"{self._file_name}: {path_text}: {reason}{self._prefix_of(path)}"

    def _prefix_of(self, path: ValuePath) -> str:
        """Return the prefix of the invalid route in parentheses, because it is easier to find than an index."""
        try:
            section, index = path[:2]
            prefix = self._document[str(section)][index]["prefix"] if section == "routes" else None
        except (ValueError, LookupError, TypeError):
            return ""
        return f' (prefix "{prefix}")' if isinstance(prefix, str) and path[2:] != ("prefix",) else ""
