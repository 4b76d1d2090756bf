"""Replay a generated case: `python -m tests.gateway.cold_and_warm SEED NUMBER`."""

import sys

from tests.gateway.cold_and_warm.fuzzing import describe


def main() -> None:
    """Print the difference that the case shows."""
    seed, number = map(int, sys.argv[1:])
    print(describe(seed, number) or "no difference")  # noqa: T201 - it is a command for a terminal


if __name__ == "__main__":
    main()
