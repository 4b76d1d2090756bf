"""`python -m tests.clients.comparison`: play every scenario against Sallyport and Django, and print a table.

Needs `make bench-setup`, which creates the environment of Django.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.clients.backends import Backend, django, django_is_installed, sallyport
from tests.clients.scenarios import SCENARIOS, Outcome, stage

CLIENTS = ("axios-auth-refresh", "axios-jwt", "ky", "ofetch", "rtk-query", "next-auth", "nuxt-auth", "article")


def main(clients: Iterable[str]) -> int:
    """Print one line per client and scenario."""
    if not django_is_installed():
        sys.stderr.write("make bench-setup creates the environment of Django\n")
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backends = [stack.enter_context(sallyport()), stack.enter_context(django(folder))]
        sys.stdout.write("| client | scenario | Sallyport | Django |\n|---|---|---|---|\n")
        for client in clients:
            for scenario in SCENARIOS:
                cells = [_play(client, scenario, backend, folder) for backend in backends]
                sys.stdout.write(f"| {client} | {scenario} | {' | '.join(cells)} |\n")
                sys.stdout.flush()
    return 0


def _play(client: str, scenario: str, backend: Backend, folder: Path) -> str:
    with stage(client, backend, folder, patience=6) as play:
        return describe(SCENARIOS[scenario](play))


def describe(outcome: Outcome) -> str:
    """Return an outcome in words: `200, 401; signed in`."""
    statuses = _counted(outcome.statuses)
    if outcome.after is None:
        return statuses
    return f"{statuses}; {'signed in' if outcome.signed_in else 'signed out'}"


def _counted(statuses: list[Any]) -> str:
    if len(statuses) < 5:
        return ", ".join(_word(status) for status in statuses)
    counts = Counter(_word(status) for status in statuses)
    return ", ".join(f"{count} times {word}" for word, count in sorted(counts.items()))


def _word(status: Any) -> str:
    return "no response" if status == 0 else str(status)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clients", nargs="*", default=CLIENTS, help="default: all")
    raise SystemExit(main(parser.parse_args().clients))
