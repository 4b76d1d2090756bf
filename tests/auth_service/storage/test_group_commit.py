"""Writes of several threads in one commit: each thread gets its own result, once it is committed."""

import threading
from collections.abc import Iterator
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
    """Return the results and errors of threads that add a row each while a first write delays them all."""
    results: list[int] = []
    errors: list[Exception] = []
    everybody_waits = threading.Event()

    def work(number: int) -> None:
        try:
            results.append(commits.run(lambda connection: add(connection, number)))
        except OperationalError as error:
            errors.append(error)

    def hold_up(connection: Connection) -> int:
        everybody_waits.wait(5)
        return add(connection, -1)

    first = threading.Thread(target=commits.run, args=(hold_up,))
    first.start()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(numbers)]
    for thread in threads:
        thread.start()
    while len(commits._queue) < numbers:
        threading.Event().wait(0.001)
    everybody_waits.set()
    for thread in (first, *threads):
        thread.join()
    return results, errors


def test_a_write_is_committed_when_it_returns(commits: GroupCommit, engine: Engine) -> None:
    assert commits.run(lambda connection: add(connection, 7)) == 7
    assert count(engine) == 1


def test_waiting_writes_share_a_commit_and_get_their_own_results(commits: GroupCommit, engine: Engine) -> None:
    made = 0

    def note(_: object) -> None:
        nonlocal made
        made += 1

    event.listen(engine, "commit", note)
    results, errors = in_parallel(commits, 20)
    assert sorted(results) == list(range(20))
    assert errors == []
    assert count(engine) == 21
    assert made == 2


def test_more_writes_than_a_batch_are_committed(commits: GroupCommit, engine: Engine) -> None:
    results, _ = in_parallel(commits, 150)
    assert sorted(results) == list(range(150))
    assert count(engine) == 151


def test_a_failed_commit_raises_in_every_thread_and_writes_nothing(commits: GroupCommit, engine: Engine) -> None:
    """No token is issued for an unrecorded write; the next write succeeds."""

    def refuse(connection: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    event.listen(engine, "commit", refuse)
    for _ in range(3):
        with pytest.raises(OperationalError):
            commits.run(lambda connection: add(connection, 1))
    event.remove(engine, "commit", refuse)
    assert count(engine) == 0
    assert commits.run(lambda connection: add(connection, 7)) == 7
    assert count(engine) == 1


def test_a_write_that_fails_undoes_its_batch_only(commits: GroupCommit, engine: Engine) -> None:
    with pytest.raises(OperationalError):
        commits.run(lambda connection: connection.execute(text("INSERT INTO nowhere VALUES (1)")))
    assert commits.run(lambda connection: add(connection, 1)) == 1
    assert count(engine) == 1
