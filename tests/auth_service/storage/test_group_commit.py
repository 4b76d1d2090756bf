"""Group commit: the writes of several threads share a commit, and each thread gets its own result."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError

from auth_service.storage.group_commit import GroupCommit


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/rows.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE rows (number INTEGER)"))
    yield engine
    engine.dispose()


@pytest.fixture
def commits(engine: Engine) -> GroupCommit:
    return GroupCommit(engine)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM rows")).scalar_one())


def add(connection: Connection, number: int) -> int:
    connection.execute(text("INSERT INTO rows VALUES (:number)"), {"number": number})
    return number


def in_parallel(commits: GroupCommit, numbers: int) -> tuple[list[int], list[Exception]]:
    """Add `numbers` rows, each in a thread, while a first write delays them all. Return the results and errors."""
    results: list[int] = []
    errors: list[Exception] = []
    all_are_queued = threading.Event()

    def work(number: int) -> None:
        try:
            results.append(commits.run(lambda connection: add(connection, number)))
        except OperationalError as error:
            errors.append(error)

    def wait_and_add(connection: Connection) -> int:
        all_are_queued.wait(30)
        return add(connection, -1)

    def run_first() -> None:
        with suppress(OperationalError):
            commits.run(wait_and_add)

    first = threading.Thread(target=run_first)
    first.start()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(numbers)]
    for thread in threads:
        thread.start()
    while len(commits._queue) < numbers:
        threading.Event().wait(0.001)
    all_are_queued.set()
    for thread in (first, *threads):
        thread.join()
    return results, errors


def test_a_write_is_committed_when_it_returns(commits: GroupCommit, engine: Engine) -> None:
    assert commits.run(lambda connection: add(connection, 7)) == 7
    assert count(engine) == 1


def test_waiting_writes_share_a_commit_and_get_their_own_results(commits: GroupCommit, engine: Engine) -> None:
    commit_count = 0

    def count_commit(_: object) -> None:
        nonlocal commit_count
        commit_count += 1

    event.listen(engine, "commit", count_commit)
    results, errors = in_parallel(commits, 20)
    assert sorted(results) == list(range(20))
    assert errors == []
    assert count(engine) == 1 + 20
    assert commit_count == 2, "one for the first write, and one for those that waited"


def test_more_writes_than_a_batch_are_committed(commits: GroupCommit, engine: Engine) -> None:
    results, _ = in_parallel(commits, 150)
    assert sorted(results) == list(range(150))
    assert count(engine) == 151


def test_a_failed_commit_raises_in_every_thread_and_writes_nothing(commits: GroupCommit, engine: Engine) -> None:
    """So no token is issued for a write that is not stored. The next write succeeds."""

    def refuse(connection: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    event.listen(engine, "commit", refuse)
    results, errors = in_parallel(commits, 3)
    assert (results, len(errors)) == ([], 3)
    event.remove(engine, "commit", refuse)
    assert count(engine) == 0
    assert commits.run(lambda connection: add(connection, 7)) == 7
    assert count(engine) == 1


def test_after_a_write_that_fails_the_next_write_succeeds(commits: GroupCommit, engine: Engine) -> None:
    with pytest.raises(OperationalError):
        commits.run(lambda connection: connection.execute(text("INSERT INTO nowhere VALUES (1)")))
    assert commits.run(lambda connection: add(connection, 1)) == 1
    assert count(engine) == 1
