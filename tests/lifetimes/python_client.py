"""Play the lives of scenario.py with the Python client against a running stack, and report what must not happen."""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from itertools import islice

from tests.lifetimes.life import Report, play
from tests.lifetimes.scenario import SETTINGS, Life, Selection, lives
from tests.system.support.running_stack import run_stack

PROCESSES = 4
"""More than cores: a life mostly waits for its tokens to expire."""
BATCH = 25
"""Lives that a process plays at once."""
PROGRESS_SECONDS = 10
SHOWN_FAILURES = 5


def play_selected(selected: Selection) -> bool:
    """Play the lives, in several processes. Print the history of lives with problems; return if there are none."""
    with run_stack(**SETTINGS) as stack:
        return _play_all(selected, stack.url) == 0


def _play_all(selected: Selection, url: str) -> int:
    started = shown = time.monotonic()
    played = requests = failed = unjudged = 0
    for report in _reports(selected, url):
        played, requests = played + 1, requests + report.requests
        unjudged += report.unjudged
        if report.problems:
            failed += 1
            if failed <= SHOWN_FAILURES:
                _print_failure(report, selected.seed)
        if time.monotonic() - shown > PROGRESS_SECONDS or played == selected.count:
            shown = time.monotonic()
            seconds = shown - started
            _print(f"{played} of {selected.count} lives, {requests} requests, {failed} failed, {seconds:.0f} s")
    if unjudged:
        _print(f"{unjudged} outcomes were not judged: this machine was so busy that tokens expired meanwhile")
    return failed


def _reports(selected: Selection, url: str) -> Iterator[Report]:
    """Yield the reports as they come. Every worker process plays a batch at once, each life in a thread."""
    batches = _batches(selected.lives())
    with ProcessPoolExecutor(PROCESSES) as workers:
        running: set[Future[list[Report]]] = set()
        for batch in batches:
            running.add(workers.submit(_play_batch, batch, url))
            if len(running) > PROCESSES:
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
    _print(f"  again: make lifetimes CLIENT=python LIVES=1 FIRST={report.life} SEED={seed}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
