"""Threads get the write lock in the order in which they called `acquire`, unless their deadline has passed."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chassis.sql.write_lock import WriteLock, process_lock


def in_ten_seconds() -> float:
    """Return a deadline that is reached only if the test hangs."""
    return time.monotonic() + 30


def wait_for_waiting_threads(lock: WriteLock, number: int) -> None:
    """Return when `number` threads wait for the lock."""
    while len(lock._waiting) < number:
        threading.Event().wait(0.001)


def test_the_longest_waiting_thread_is_next() -> None:
    lock = WriteLock()
    assert lock.acquire(in_ten_seconds())
    order: list[int] = []

    def work(number: int) -> None:
        assert lock.acquire(in_ten_seconds())
        order.append(number)
        lock.release()

    with ThreadPoolExecutor(20) as pool:
        done = []
        for number in range(20):
            done.append(pool.submit(work, number))
            wait_for_waiting_threads(lock, number + 1)
        lock.release()
        assert [work.result() for work in done] == [None] * 20
    assert order == list(range(20))


def test_a_waiting_thread_gets_the_lock_before_the_thread_that_released_it() -> None:
    lock = WriteLock()
    assert lock.acquire(in_ten_seconds())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lock.acquire, in_ten_seconds())
        wait_for_waiting_threads(lock, 1)
        lock.release()
        assert not lock.acquire(deadline=0)
        assert waiting.result()


def test_a_thread_whose_deadline_passes_does_not_block_others() -> None:
    lock = WriteLock()
    assert lock.acquire(in_ten_seconds())
    assert not lock.acquire(deadline=0)
    lock.release()
    assert lock.acquire(deadline=0)


def test_a_release_at_the_deadline_of_a_waiter_passes_the_lock_to_exactly_one_thread() -> None:
    lock = WriteLock()
    holders = 0

    def work(seed: int) -> int:
        nonlocal holders
        chance, acquired = random.Random(seed), 0
        for _ in range(300):
            if lock.acquire(time.monotonic() + chance.uniform(0, 0.0005)):
                holders += 1
                assert holders == 1
                time.sleep(chance.uniform(0, 0.0002))
                assert holders == 1
                holders -= 1
                acquired += 1
                lock.release()
        return acquired

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) < 6 * 300
    assert lock.acquire(deadline=0)


def test_one_process_holds_the_file_lock_and_another_waits_until_its_deadline(tmp_path: Path) -> None:
    """Two threads stand for two processes: flock locks belong to the open file, not to the process."""
    path = str(tmp_path / "x.db-turn")
    is_released = threading.Event()

    def wait_for_lock() -> bool:
        with process_lock(path, in_ten_seconds()):
            return is_released.is_set()

    with ThreadPoolExecutor(1) as pool:
        with process_lock(path, in_ten_seconds()):
            waiting = pool.submit(wait_for_lock)
            started = time.monotonic()
            with process_lock(path, started + 0.05):
                assert time.monotonic() >= started + 0.05
            is_released.set()
        assert waiting.result()
