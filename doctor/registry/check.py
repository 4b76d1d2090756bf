"""A check: its name, what it finds, and how it is run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from doctor.facts import Facts
from doctor.finding import Problem


@dataclass(frozen=True, slots=True)
class Check:
    """A check. Its name is `GROUP.SUBJECT`; `finds` is for people. `run` may raise CannotCheck."""

    name: str
    finds: str
    run: Callable[[Facts], Iterable[Problem]]

    @property
    def group(self) -> str:
        """Return the first part of the name."""
        return self.name.partition(".")[0]
