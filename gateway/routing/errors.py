"""Owns what is wrong with a routes file: every complaint, each with its line and the place in the file."""

from collections.abc import Callable, Mapping

from gateway.routing.toml_lines import Place

Complain = Callable[[Place, str], None]
"""Says that there is something wrong at a place, and what."""


class RoutesError(Exception):
    """The routes file is refused; the text names file, line, place and reason, a line each."""


class Complaints:
    """What is wrong with the file `name`, in the order of its `lines`; of one place the first is kept."""

    def __init__(self, name: str, lines: Mapping[Place, int]) -> None:
        self._name = name
        self._lines = lines
        self._found: dict[Place, str] = {}

    def add(self, place: Place, reason: str) -> None:
        """There is something wrong at `place`."""
        self._found.setdefault(place, reason)

    def check(self) -> None:
        """Returns where there is nothing wrong. Raises RoutesError with everything that is."""
        if self._found:
            found = sorted(self._found.items(), key=lambda complaint: self._line(complaint[0]))
            raise RoutesError("\n".join(self._told(place, reason) for place, reason in found))

    def _told(self, place: Place, reason: str) -> str:
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        return f"{self._name}:{self._line(place)}: {text}: {reason}"

    def _line(self, place: Place) -> int:
        # What is missing has no line of its own: then it is that of the table which lacks it.
        known = (self._lines.get(place[:length]) for length in range(len(place), 0, -1))
        return next((line for line in known if line is not None), 1)
