"""Writers of one SQLite file take turns, whichever thread or process they are in; readers do not wait for them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from chassis.database import engine_options, prepare_engine

MORE = text("UPDATE counter SET number = number + 1")
NUMBER = text("SELECT number FROM counter")
MakeEngine = Callable[[], Engine]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counter.db"


@pytest.fixture
def make_engine(path: Path) -> Iterator[MakeEngine]:
    """Each engine is to the others as one of another process."""
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
def hurried(monkeypatch: pytest.MonkeyPatch) -> float:
    """Whoever writes waits for so many seconds and no longer."""
    monkeypatch.setattr("chassis.sqlite_connection.BUSY_TIMEOUT", 0.05)
    return 0.05


def write(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(MORE)


def read(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(NUMBER).scalar_one())


THREADS, WRITES = 4, 30


@pytest.mark.usefixtures("engine")
def test_nobody_is_refused_and_each_is_served_before_those_who_come_much_later(path: Path) -> None:
    """Of eight writers each has some seven before it, and where turns are not kept some two hundred."""
    command = [sys.executable, "-m", "tests.chassis.writing_process", str(path), str(THREADS), str(WRITES)]
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
        said = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert max(map(int, said)) <= 2 * THREADS * 5


def test_what_all_of_them_wrote_is_there(engine: Engine, make_engine: MakeEngine) -> None:
    engines = [engine, make_engine()] * 4
    with ThreadPoolExecutor(len(engines)) as pool:
        for _ in range(10):
            list(pool.map(write, engines))
    assert read(engine) == 80


def test_who_reads_waits_for_no_writer(engine: Engine, make_engine: MakeEngine) -> None:
    with engine.begin() as connection:
        connection.execute(MORE)
        assert read(engine) == read(make_engine()) == 0
    assert read(engine) == 1


@pytest.mark.parametrize("is_other_process", [False, True])
def test_who_has_waited_for_too_long_is_refused_and_leaves_the_turn_to_others(
    engine: Engine, make_engine: MakeEngine, hurried: float, *, is_other_process: bool
) -> None:
    """A service answers this error with a 503 and Retry-After."""
    other = make_engine() if is_other_process else engine
    with engine.begin() as connection:
        connection.execute(MORE)
        asked = time.monotonic()
        with pytest.raises(OperationalError, match="database is locked"):
            write(other)
        assert time.monotonic() >= asked + hurried
    write(other)
    write(engine)
    assert read(engine) == 3


def roll_back(connection: Connection) -> None:
    connection.rollback()


def fail(connection: Connection) -> None:
    with pytest.raises(IntegrityError):
        connection.execute(text("INSERT INTO counter SELECT number FROM counter"))
    connection.rollback()


def fall_silent(connection: Connection) -> None:
    connection.invalidate()


def commit(connection: Connection) -> None:
    connection.commit()


def commit_and_go_on(connection: Connection) -> None:
    connection.commit()
    connection.execute(MORE)
    connection.commit()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("end", [roll_back, fail, fall_silent, commit, commit_and_go_on])
def test_however_a_transaction_ends_the_next_writer_has_the_turn(
    engine: Engine, make_engine: MakeEngine, end: Callable[[Connection], None]
) -> None:
    with engine.connect() as connection:
        connection.execute(MORE)
        end(connection)
        write(engine)
        write(make_engine())


@pytest.mark.usefixtures("hurried")
def test_a_write_that_could_not_begin_holds_nobody_up(engine: Engine, path: Path) -> None:
    stranger = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", **engine_options("sqlite:", threads=2))
    prepare_engine(stranger)
    for _ in range(2):
        with pytest.raises(OperationalError, match="readonly"):
            write(stranger)
    stranger.dispose()
    write(engine)


def test_where_the_file_of_turns_cannot_be_had_there_is_writing_all_the_same(engine: Engine, path: Path) -> None:
    Path(f"{path}-turn").unlink()
    Path(f"{path}-turn").mkdir()
    write(engine)
    assert read(engine) == 1


def test_the_file_of_turns_is_nobody_elses(engine: Engine, path: Path) -> None:
    write(engine)
    assert Path(f"{path}-turn").stat().st_mode & 0o777 == 0o600
