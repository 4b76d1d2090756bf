"""Turns come in the order in which they were asked for, and go to nobody who has left."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chassis.write_lock import WriteLock, process_lock


def soon() -> float:
    """A deadline that is not met where something hangs."""
    return time.monotonic() + 10


def wait_until_so_many_wait(turns: WriteLock, number: int) -> None:
    while len(turns._waiting) < number:
        threading.Event().wait(0.001)


def test_whoever_has_waited_longest_is_next() -> None:
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


def test_who_came_before_it_is_over_is_ahead_of_whoever_gives_it_back() -> None:
    turns = WriteLock()
    assert turns.acquire(soon())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.acquire, soon())
        wait_until_so_many_wait(turns, 1)
        turns.release()
        assert not turns.acquire(deadline=0)
        assert waiting.result()


def test_who_leaves_at_the_deadline_holds_nobody_up() -> None:
    turns = WriteLock()
    assert turns.acquire(soon())
    assert not turns.acquire(deadline=0)
    turns.release()
    assert turns.acquire(deadline=0)


def test_no_turn_is_had_twice_or_lost_where_it_comes_at_the_deadline() -> None:
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


def test_who_holds_the_file_is_alone_until_the_others_deadline(tmp_path: Path) -> None:
    """A file that was opened twice is to the kernel what one is that two processes have open."""
    path = str(tmp_path / "x.db-turn")
    is_over = threading.Event()

    def come() -> bool:
        with process_lock(path, soon()):
            return is_over.is_set()

    with ThreadPoolExecutor(1) as pool:
        with process_lock(path, soon()):
            waiting = pool.submit(come)
            asked = time.monotonic()
            with process_lock(path, asked + 0.05):
                assert time.monotonic() >= asked + 0.05
            is_over.set()
        assert waiting.result()
