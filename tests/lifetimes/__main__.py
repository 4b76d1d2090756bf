"""`make lifetimes`: play the lives of simulated apps against a running stack, and report what must not happen.

Exit status: 0 if everything held, 1 if a life had a problem. Its history, and the command that plays it again, are
printed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from itertools import islice

from tests.lifetimes.life import Report, play
from tests.lifetimes.scenario import SETTINGS, Life, lives
from tests.system.support.running_stack import run_stack

BATCH = 25
PROGRESS_SECONDS = 10
SHOWN_FAILURES = 5


def main() -> int:
    """Play the lives and return the exit status."""
    options = _arguments()
    with run_stack(**SETTINGS) as stack:
        failed = _play_all(options, stack.url)
    return 1 if failed else 0


def _play_all(options: argparse.Namespace, url: str) -> int:
    started = shown = time.monotonic()
    played = requests = failed = unjudged = 0
    for report in _reports(options, url):
        played, requests = played + 1, requests + report.requests
        unjudged += report.unjudged
        if report.problems:
            failed += 1
            if failed <= SHOWN_FAILURES:
                _print_failure(report, options.seed)
        if time.monotonic() - shown > PROGRESS_SECONDS or played == options.lives:
            shown = time.monotonic()
            seconds = shown - started
            _print(f"{played} of {options.lives} lives, {requests} requests, {failed} failed, {seconds:.0f} s")
    if unjudged:
        _print(f"{unjudged} requests were not judged: this machine was so busy that their tokens expired")
    return failed


def _reports(options: argparse.Namespace, url: str) -> Iterator[Report]:
    """Yield the reports as they come. Every worker process plays a batch at once, each life in a thread."""
    batches = _batches(lives(options.first, options.lives, options.seed))
    with ProcessPoolExecutor(options.jobs) as workers:
        running: set[Future[list[Report]]] = set()
        for batch in batches:
            running.add(workers.submit(_play_batch, batch, url))
            if len(running) > options.jobs:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        for future in running:
            yield from future.result()


def _batches(all_lives: Iterator[Life]) -> Iterator[list[Life]]:
    while batch := list(islice(all_lives, BATCH)):
        yield batch


def _play_batch(batch: list[Life], url: str) -> list[Report]:
    with ThreadPoolExecutor(BATCH) as threads:
        return list(threads.map(lambda life: play(life, url), batch))


def _print_failure(report: Report, seed: int) -> None:
    [life] = lives(report.life, 1, seed)
    _print(f"life {report.life} failed: {'; '.join(report.problems)}")
    _print("\n".join(f"    {line}" for line in report.history))
    _print(f"  scenario: {json.dumps(life)}")
    _print(f"  again: make lifetimes LIVES=1 FIRST={report.life} SEED={seed}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lifetimes", description=__doc__)
    parser.add_argument("--lives", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one (0)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of all lives (1)")
    parser.add_argument("--jobs", type=int, default=2, help=f"worker processes (2), each with {BATCH} lives at once")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
