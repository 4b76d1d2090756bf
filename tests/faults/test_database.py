"""The database is stopped, crashed, locked or full: /auth/ gets 503 with Retry-After, everything else works.

A token is sent only after it is stored: every session that was refreshed during the outage can be refreshed later.
"""

import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.faults.support.figures import AddFigure
from tests.faults.support.polling import wait_until
from tests.faults.support.running_system import RunningSystem, running_system
from tests.faults.support.steady_traffic import BROWSER, LOGIN, REFRESH, WHOAMI, SteadyTraffic, TrafficReport
from tests.postgres import Postgres, find_program, running_postgres

OUTAGE_SECONDS = 4.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for both services."""
    if find_program("postgres") is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def on_postgres(postgres: Postgres) -> Iterator[RunningSystem]:
    """A system on PostgreSQL."""
    with running_system(DATABASE_URL=postgres.url, AUTH_WORKERS="2", GATEWAY_WORKERS="2") as running:
        yield running


@pytest.mark.parametrize("stop_or_crash", [Postgres.stop, Postgres.crash])
def test_while_postgresql_is_down_only_requests_that_need_it_get_503(
    on_postgres: RunningSystem, postgres: Postgres, stop_or_crash: Callable[[Postgres], None], add_figure: AddFigure
) -> None:
    """PostgreSQL stops or crashes and is started again; no service is restarted."""
    with SteadyTraffic(on_postgres.url) as traffic:
        began = time.monotonic()
        stop_or_crash(postgres)
        time.sleep(0.5)  # requests in progress at the stop may get either status
        outage = traffic.run_for(OUTAGE_SECONDS)
        assert on_postgres.client().send("GET", "/readyz").status_code == 200
        postgres.start()
        recovery_seconds = wait_until(lambda: all_clients_are_served(traffic.run_for(0.5)))
        during = traffic.since(began)
    add_figure(f"{during}; all 200 again {recovery_seconds:.1f} s after its restart")
    check_outage(during)
    assert outage.statuses(REFRESH, LOGIN) == {503}, outage.failures()


def test_writers_wait_for_a_locked_sqlite_file_and_then_get_503(
    system: RunningSystem, traffic: SteadyTraffic, add_figure: AddFigure
) -> None:
    """Another process holds the write lock for longer than the five seconds that writers wait."""
    began = time.monotonic()
    with closing(sqlite3.connect(system.data_dir / "auth.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        traffic.run_for(7)
    recovery_seconds = wait_until(lambda: all_clients_are_served(traffic.run_for(0.5)))
    during = traffic.since(began)
    add_figure(f"{during}; all 200 again {recovery_seconds:.1f} s after")
    check_outage(during)


def test_a_full_disk_gives_503_and_no_token_that_is_not_stored(
    system: RunningSystem, traffic: SteadyTraffic, add_figure: AddFigure
) -> None:
    """A file-size limit makes every write of the auth service fail, as a full disk does."""
    began = time.monotonic()
    allow_auth_writes(system, False)
    try:
        outage = traffic.run_for(OUTAGE_SECONDS)
    finally:
        allow_auth_writes(system, True)
    recovery_seconds = wait_until(lambda: all_clients_are_served(traffic.run_for(0.5)))
    during = traffic.since(began)
    add_figure(f"{during}; all 200 again {recovery_seconds:.1f} s after")
    check_outage(during)
    assert 503 in outage.statuses(REFRESH)


def check_outage(report: TrafficReport) -> None:
    """Check that valid tokens and cookies got 200, and everything else 200, or 503 with Retry-After."""
    assert report.statuses(WHOAMI, BROWSER) == {200}, report.failures()
    assert report.statuses(REFRESH, LOGIN) == {200, 503}, report.failures()
    assert all(response.retry_after for response in report.responses(503))


def all_clients_are_served(report: TrafficReport) -> bool:
    """Return whether clients of every kind got 200, also those that refreshed during the outage."""
    return report.statuses() == {200} and {kind for kind, _ in report.counts} == {WHOAMI, REFRESH, LOGIN, BROWSER}


def allow_auth_writes(system: RunningSystem, may_write: bool) -> None:
    """Set or lift the file-size limit (setrlimit(2), RLIMIT_FSIZE) of every auth worker."""
    for worker in system.auth.workers:
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (hard if may_write else 0, hard))
