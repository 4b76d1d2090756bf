"""The write lock goes to waiting threads in order of arrival, and never to one that has given up."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chassis.sql.write_lock import WriteLock, process_lock


def soon() -> float:
    """Return a deadline that only a hanging test reaches."""
    return time.monotonic() + 10


def wait_until_so_many_wait(turns: WriteLock, number: int) -> None:
    while len(turns._waiting) < number:
        threading.Event().wait(0.001)


def test_the_longest_waiting_thread_is_next() -> None:
    turns = WriteLock()
    assert turns.acquire(soon())
    order: list[int] = []

    def work(number: int) -> None:
        assert turns.acquire(soon())
        order.append(number)
        turns.release()

    with ThreadPoolExecutor(20) as pool:
        done = []
        for number in range(20):
            done.append(pool.submit(work, number))
            wait_until_so_many_wait(turns, number + 1)
        turns.release()
        assert [work.result() for work in done] == [None] * 20
    assert order == list(range(20))


def test_a_waiting_thread_is_ahead_of_the_releasing_one() -> None:
    turns = WriteLock()
    assert turns.acquire(soon())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.acquire, soon())
        wait_until_so_many_wait(turns, 1)
        turns.release()
        assert not turns.acquire(deadline=0)
        assert waiting.result()


def test_a_thread_that_gives_up_does_not_block_others() -> None:
    turns = WriteLock()
    assert turns.acquire(soon())
    assert not turns.acquire(deadline=0)
    turns.release()
    assert turns.acquire(deadline=0)


def test_a_release_at_the_deadline_is_neither_lost_nor_doubled() -> None:
    turns = WriteLock()
    holders = 0

    def work(seed: int) -> int:
        nonlocal holders
        chance, had = random.Random(seed), 0
        for _ in range(300):
            if turns.acquire(time.monotonic() + chance.uniform(0, 0.0005)):
                holders += 1
                assert holders == 1
                time.sleep(chance.uniform(0, 0.0002))
                assert holders == 1
                holders -= 1
                had += 1
                turns.release()
        return had

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) < 6 * 300
    assert turns.acquire(deadline=0)


def test_a_process_holds_the_file_lock_alone_until_the_others_deadline(tmp_path: Path) -> None:
    """For flock, a file opened twice is like a file opened by two processes."""
    path = str(tmp_path / "x.db-turn")
    is_over = threading.Event()

    def come() -> bool:
        with process_lock(path, soon()):
            return is_over.is_set()

    with ThreadPoolExecutor(1) as pool:
        with process_lock(path, soon()):
            waiting = pool.submit(come)
            started = time.monotonic()
            with process_lock(path, started + 0.05):
                assert time.monotonic() >= started + 0.05
            is_over.set()
        assert waiting.result()
