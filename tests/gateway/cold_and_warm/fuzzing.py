"""Play many cases, in blocks of one gateway each, and describe the first difference so that it can be replayed."""

from collections.abc import Iterator

from tests.gateway.cold_and_warm.cases import Case, draw_case
from tests.gateway.cold_and_warm.comparison import Result, compare
from tests.gateway.cold_and_warm.shrinking import shrink

_REPLAY = "python -m tests.gateway.cold_and_warm"

BLOCK = 500
"""Cases on one gateway. A difference that earlier cases cause is replayed by its block."""


def fuzz(seed: int, count: int, first: int = 0) -> Iterator[Result]:
    """Play `count` cases of `seed` from the number `first`. Yield the result of each block, up to a difference."""
    for start in range(first, first + count, BLOCK):
        numbers = range(start, min(start + BLOCK, first + count))
        result = compare(draw_case(seed, number) for number in numbers)
        yield result
        if result.difference is not None or result.errors:
            return


def describe(seed: int, number: int) -> str:
    """Return the difference that the case `number` shows, alone or after its block; empty if it shows none."""
    case = draw_case(seed, number)
    if _differs(case):
        shrunk = compare([shrink(case, _differs)])
        return f"Case {number} of seed {seed}, shrunk ({_REPLAY} {seed} {number}):\n{shrunk}"
    start = number - number % BLOCK
    result = compare(draw_case(seed, other) for other in range(start, number + 1))
    if result.difference is None and not result.errors:
        return ""
    return f"Case {number} of seed {seed}, after the cases from {start} ({_REPLAY} {seed} {number}):\n{result}"


def _differs(case: Case) -> bool:
    result = compare([case])
    return result.difference is not None or bool(result.errors)
