"""Keeps a dict within its size: what came first makes room for what comes."""

from itertools import islice
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def make_room(kept: dict[Key, Value], size: int) -> None:
    """Returns with room for one more in `kept`, which holds `size` at most.

    A sixteenth goes at a time: to find the first in a dict is to pass over all that stood before it.
    """
    if len(kept) >= size:
        for oldest in list(islice(kept, max(1, size // 16))):
            del kept[oldest]
