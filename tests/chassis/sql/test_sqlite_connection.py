"""Writers of one SQLite file wait for each other in order, across threads and processes; readers do not wait."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from chassis.sql.engine import engine_options, prepare_engine

INCREMENT = text("UPDATE counter SET number = number + 1")
NUMBER = text("SELECT number FROM counter")
MakeEngine = Callable[[], Engine]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counter.db"


@pytest.fixture
def make_engine(path: Path) -> Iterator[MakeEngine]:
    """Return a function that makes engines; each behaves like one in another process."""
    engines: list[Engine] = []

    def make() -> Engine:
        engine = create_engine(f"sqlite:///{path}", **engine_options(f"sqlite:///{path}", threads=4))
        prepare_engine(engine)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    engine = make_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE counter (number INTEGER UNIQUE)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    return engine


@pytest.fixture
def busy_timeout(monkeypatch: pytest.MonkeyPatch) -> float:
    """Shorten the busy timeout, and return it in seconds."""
    monkeypatch.setattr("chassis.sql.sqlite_connection.BUSY_TIMEOUT", 0.05)
    return 0.05


def write(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(INCREMENT)


def read(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(NUMBER).scalar_one())


THREADS, WRITES = 4, 30


@pytest.mark.usefixtures("engine")
def test_no_writer_fails_or_waits_for_many_others(path: Path) -> None:
    """Each of eight writers waits for about 7 other writes. Without the lock, some wait for about 200."""
    command = [sys.executable, "-m", "tests.chassis.sql.concurrent_writers", str(path), str(THREADS), str(WRITES)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        waits = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert max(map(int, waits)) <= 2 * THREADS * 5, "far from both figures above, because the machine may be busy"


def test_every_write_is_stored(engine: Engine, make_engine: MakeEngine) -> None:
    engines = [engine, make_engine()] * 4
    with ThreadPoolExecutor(len(engines)) as pool:
        for _ in range(10):
            list(pool.map(write, engines))
    assert read(engine) == 80


def test_readers_do_not_wait_for_a_writer(engine: Engine, make_engine: MakeEngine) -> None:
    with engine.begin() as connection:
        connection.execute(INCREMENT)
        assert read(engine) == read(make_engine()) == 0
    assert read(engine) == 1


@pytest.mark.parametrize("is_other_process", [False, True])
def test_a_writer_fails_after_the_timeout_and_leaves_the_queue(
    engine: Engine, make_engine: MakeEngine, busy_timeout: float, *, is_other_process: bool
) -> None:
    """The service turns this error into a 503 with Retry-After."""
    other = make_engine() if is_other_process else engine
    with engine.begin() as connection:
        connection.execute(INCREMENT)
        started = time.monotonic()
        with pytest.raises(OperationalError, match="database is locked"):
            write(other)
        assert time.monotonic() >= started + busy_timeout
    write(other)
    write(engine)
    assert read(engine) == 3


def roll_back(connection: Connection) -> None:
    connection.rollback()


def fail(connection: Connection) -> None:
    with pytest.raises(IntegrityError):
        connection.execute(text("INSERT INTO counter SELECT number FROM counter"))
    connection.rollback()


def invalidate(connection: Connection) -> None:
    connection.invalidate()


def commit(connection: Connection) -> None:
    connection.commit()


def commit_twice(connection: Connection) -> None:
    connection.commit()
    connection.execute(INCREMENT)
    connection.commit()


@pytest.mark.usefixtures("busy_timeout")
@pytest.mark.parametrize("end", [roll_back, fail, invalidate, commit, commit_twice])
def test_every_end_of_a_transaction_releases_the_lock(
    engine: Engine, make_engine: MakeEngine, end: Callable[[Connection], None]
) -> None:
    with engine.connect() as connection:
        connection.execute(INCREMENT)
        end(connection)
        write(engine)
        write(make_engine())


@pytest.mark.usefixtures("busy_timeout")
def test_a_write_that_cannot_begin_does_not_block_others(engine: Engine, path: Path) -> None:
    read_only = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", **engine_options("sqlite:", threads=2))
    prepare_engine(read_only)
    for _ in range(2):
        with pytest.raises(OperationalError, match="readonly"):
            write(read_only)
    read_only.dispose()
    write(engine)


def test_writes_succeed_without_the_lock_file(engine: Engine, path: Path) -> None:
    Path(f"{path}-turn").unlink()
    Path(f"{path}-turn").mkdir()
    write(engine)
    assert read(engine) == 1


def test_the_lock_file_is_private(engine: Engine, path: Path) -> None:
    write(engine)
    assert Path(f"{path}-turn").stat().st_mode & 0o777 == 0o600
