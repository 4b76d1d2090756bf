"""The database stopped, crashed, locked or full: /auth/ is a 503 with Retry-After, everything else works.

No token is sent that is not stored: every session that was refreshed meanwhile can be refreshed afterwards.
"""

import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.faults.eventually import eventually
from tests.faults.figures import Say
from tests.faults.postgres import Postgres, program, running_postgres
from tests.faults.running_system import RunningSystem, running_system
from tests.faults.steady_traffic import BROWSER, LOGIN, REFRESH, WHOAMI, SteadyTraffic, Tally

OUTAGE = 4.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server that both services use."""
    if program("postgres") is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def on_postgres(postgres: Postgres) -> Iterator[RunningSystem]:
    """A private system on PostgreSQL."""
    with running_system(DATABASE_URL=postgres.url, AUTH_WORKERS="2", GATEWAY_WORKERS="2") as running:
        yield running


@pytest.mark.parametrize("end", [Postgres.stop, Postgres.crash])
def test_while_postgres_is_away_only_what_needs_it_is_answered_503(
    on_postgres: RunningSystem, postgres: Postgres, end: Callable[[Postgres], None], say: Say
) -> None:
    """Stopped and crashed; after its return no process has to be restarted."""
    with SteadyTraffic(on_postgres.url) as traffic:
        began = time.monotonic()
        end(postgres)
        time.sleep(0.5)  # what was under way when it ended may have been answered either way
        away = traffic.run_for(OUTAGE)
        assert on_postgres.client().send("GET", "/readyz").status_code == 200
        postgres.start()
        recovered = eventually(lambda: everything_is_well(traffic.run_for(0.5)))
        during = traffic.since(began)
    say(f"{during}; all well {recovered:.1f} s after its return")
    check_outage(during)
    assert away.statuses(REFRESH, LOGIN) == {503}, away.wrong()


def test_a_locked_sqlite_is_waited_for_and_then_answered_503(
    system: RunningSystem, traffic: SteadyTraffic, say: Say
) -> None:
    """Another process holds the write lock longer than the five seconds that writers wait."""
    began = time.monotonic()
    with closing(sqlite3.connect(system.data_dir / "auth.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        traffic.run_for(7)
    recovered = eventually(lambda: everything_is_well(traffic.run_for(0.5)))
    during = traffic.since(began)
    say(f"{during}; all well {recovered:.1f} s after")
    check_outage(during)


def test_while_the_disk_is_full_nothing_is_promised(system: RunningSystem, traffic: SteadyTraffic, say: Say) -> None:
    """The kernel refuses every write of the auth service's processes, as on a full disk."""
    began = time.monotonic()
    let_auth_write(system, False)
    try:
        full = traffic.run_for(OUTAGE)
    finally:
        let_auth_write(system, True)
    recovered = eventually(lambda: everything_is_well(traffic.run_for(0.5)))
    during = traffic.since(began)
    say(f"{during}; all well {recovered:.1f} s after")
    check_outage(during)
    assert 503 in full.statuses(REFRESH)


def check_outage(tally: Tally) -> None:
    """Check that there are only 200s and 503s with Retry-After, and that valid access tokens kept working."""
    assert tally.statuses(WHOAMI, BROWSER) == {200}, tally.wrong()
    assert tally.statuses(REFRESH, LOGIN) == {200, 503}, tally.wrong()
    assert all(answer.retry_after for answer in tally.answers(503))


def everything_is_well(tally: Tally) -> bool:
    """Return whether every kind of client is served again, also those that refreshed meanwhile."""
    return tally.statuses() == {200} and {kind for kind, _ in tally.counts} == {WHOAMI, REFRESH, LOGIN, BROWSER}


def let_auth_write(system: RunningSystem, may_write: bool) -> None:
    """Set or lift the file size limit (setrlimit(2), RLIMIT_FSIZE) of every auth worker."""
    for worker in system.auth.workers:
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (hard if may_write else 0, hard))
