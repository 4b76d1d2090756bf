"""`python -m tests.chassis.sql.concurrent_writers FILE THREADS WRITES`: write to a SQLite file in several threads.

The program prints "ready" and begins when it reads a line. At the end it prints the largest number of other writes
that one of its writes waited for. It fails if a write fails.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, create_engine, text

from chassis.sql.engine import engine_options, prepare_engine

TRANSACTION_SECONDS = 0.005
"""Time that each transaction takes at least, so that the result does not depend on the disk."""


def write(engine: Engine, writes: int) -> int:
    """Return the largest number of other writes that one of `writes` waited for."""
    most = 0
    for _ in range(writes):
        with engine.connect() as connection:
            before = connection.scalar(text("SELECT number FROM counter"))
        with engine.begin() as connection:
            own = connection.scalar(text("UPDATE counter SET number = number + 1 RETURNING number"))
            time.sleep(TRANSACTION_SECONDS)
        most = max(most, own - before - 1)
    return most


def main(path: str, threads: int, writes: int) -> None:
    url = f"sqlite:///{path}"
    engine = create_engine(url, **engine_options(url, threads))
    prepare_engine(engine)
    with engine.connect() as connection:
        connection.scalar(text("SELECT number FROM counter"))
    _print("ready")
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        _print(str(max(pool.map(write, [engine] * threads, [writes] * threads))))
    engine.dispose()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
