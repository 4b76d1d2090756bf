"""`python -m tests.chassis.sql.writing_process FILE THREADS WRITES`: threads that write to a SQLite file.

Prints a line when it is ready, and begins when it reads one. In the end prints how many writes of others were done
while the unluckiest of its own waited, and fails where one was refused.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, create_engine, text

from chassis.sql.engine import engine_options, prepare_engine

DISK = 0.005
"""Seconds that each transaction takes, independent of the disk."""


def write(engine: Engine, writes: int) -> int:
    """Return the largest number of other writes that one of `writes` waited for."""
    most = 0
    for _ in range(writes):
        with engine.connect() as connection:
            before = connection.scalar(text("SELECT number FROM counter"))
        with engine.begin() as connection:
            own = connection.scalar(text("UPDATE counter SET number = number + 1 RETURNING number"))
            time.sleep(DISK)
        most = max(most, own - before - 1)
    return most


def main(path: str, threads: int, writes: int) -> None:
    url = f"sqlite:///{path}"
    engine = create_engine(url, **engine_options(url, threads))
    prepare_engine(engine)
    with engine.connect() as connection:
        connection.scalar(text("SELECT number FROM counter"))
    _say("ready")
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        _say(str(max(pool.map(write, [engine] * threads, [writes] * threads))))
    engine.dispose()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
