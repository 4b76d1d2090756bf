"""Gateway processes under load: reloads and stops lose no request, a kill only the requests in progress."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stack.plan import ROOT
from tests.faults.support.connection import Connection
from tests.faults.support.figures import AddFigure
from tests.faults.support.polling import wait_until
from tests.faults.support.running_system import RunningSystem
from tests.faults.support.steady_traffic import SteadyTraffic
from tests.system.support.running_stack import Client

CLIENTS = 24
"""Clients that send one request after the other without a pause."""


async def send_until(is_over: Callable[[], bool], url: str, access: str, spare: str = "") -> Counter[int]:
    """Send requests until `is_over()` and count the statuses; Connection reports a network error as status 0.

    A request whose connection was refused is sent to the gateway `spare`, if there is one.
    """
    counts: Counter[int] = Counter()

    async def send_repeatedly() -> None:
        async with Connection(url) as connection, Connection(spare or url) as spare_connection:
            while not is_over():
                response = await connection.request("GET", "/api/whoami", access=access)
                was_refused = response.status == 0 and response.body == b"ConnectionRefusedError"
                if was_refused and spare:  # nothing was sent
                    response = await spare_connection.request("GET", "/api/whoami", access=access)
                counts[response.status] += 1

    await asyncio.gather(*(send_repeatedly() for _ in range(CLIENTS)))
    return counts


def count_statuses_during(action: Callable[[], object], url: str, access: str, spare: str = "") -> Counter[int]:
    """Count the statuses of requests that are sent while `action` runs in another thread."""

    async def run() -> Counter[int]:
        running = asyncio.create_task(asyncio.to_thread(action))
        counts = await send_until(running.done, url, access, spare)
        await running
        return counts

    return asyncio.run(run())


def reload(system: RunningSystem) -> None:
    """Reload the first gateway, and return when new workers have replaced all old ones."""
    before = system.gateway.workers
    system.gateway.signal(signal.SIGHUP)
    wait_until(lambda: len(system.gateway.workers - before) == len(before))
    wait_until(lambda: not system.gateway.workers & before)


def test_reloads_under_load_lose_no_request(system: RunningSystem, add_figure: AddFigure) -> None:
    """After each SIGHUP new workers first read keys and revocations, and old workers finish their requests."""
    client = system.client()
    tokens = client.login(client.register())

    def reload_three_times() -> None:
        for _ in range(3):
            reload(system)

    counts = count_statuses_during(reload_three_times, system.url, tokens.access)
    add_figure(f"statuses {dict(counts)}")
    assert set(counts) == {200}


def test_a_reload_of_routes_under_load_loses_no_request_and_ignores_a_wrong_file(
    system: RunningSystem, add_figure: AddFigure, tmp_path: Path
) -> None:
    """SIGHUP with a changed routes file, a wrong one, and another changed one."""
    client = system.client()
    tokens = client.login(client.register())
    file = tmp_path / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    route = '[[routes]]\nprefix = "/{}/"\nupstream = "notes"\naccess = "authenticated"\nstrip_prefix = true\n'
    file.write_text(shipped)
    statuses: list[tuple[int, int]] = []
    with system.extra_gateway("rerouted", GATEWAY_ROUTES=str(file)) as (gateway, url):

        def reload_with(text: str) -> None:
            before = gateway.workers
            file.write_text(text)
            gateway.signal(signal.SIGHUP)
            wait_until(lambda: len(gateway.workers - before) == len(before) and not gateway.workers & before)
            one, two = (Client(url).send("GET", f"/{place}/api/whoami", tokens.access) for place in ("one", "two"))
            statuses.append((one.status_code, two.status_code))

        def change_routes() -> None:
            reload_with(shipped + route.format("one"))
            reload_with(shipped + route.format("two") + "access = 7")
            reload_with(shipped + route.format("two"))

        counts = count_statuses_during(change_routes, url, tokens.access)
        refused = gateway.wait_for_event("routes_rejected")
    add_figure(f"statuses {dict(counts)}; {refused['error']}")
    assert statuses == [(200, 404), (200, 404), (404, 200)]
    assert set(counts) == {200}
    assert refused["error"].startswith(f"{file}:")


def test_a_gateway_that_stops_under_load_loses_no_request(system: RunningSystem, add_figure: AddFigure) -> None:
    """After SIGTERM readiness fails first, then listeners close. Clients then connect to another gateway."""
    client = system.client()
    tokens = client.login(client.register())
    readiness: list[int] = []
    with system.extra_gateway("stopping") as (stopping, url):

        def stop_soon() -> None:
            time.sleep(1)
            stopping.signal(signal.SIGTERM)
            time.sleep(0.5)
            readiness.append(Client(url).send("GET", "/readyz").status_code)
            assert stopping.wait() == 0
            time.sleep(0.5)

        counts = count_statuses_during(stop_soon, url, tokens.access, spare=system.url)
    add_figure(f"statuses {dict(counts)}")
    assert readiness == [503]
    assert set(counts) == {200}


def test_a_killed_worker_loses_only_its_requests_in_progress(system: RunningSystem, add_figure: AddFigure) -> None:
    """Each client loses at most one request. The new worker refuses revoked tokens from its first request on."""
    client = system.client()
    account = client.register()
    tokens, revoked = client.login(account), client.login(account)
    client.send("POST", "/auth/jwt/blacklist/", json={"refresh": revoked.refresh})
    wait_until(lambda: client.whoami(revoked.access).status_code == 401)
    revoked_statuses: list[int] = []

    def kill_one_worker() -> None:
        before = system.gateway.workers
        os.kill(random.choice(sorted(before)), signal.SIGKILL)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            revoked_statuses.append(system.client().whoami(revoked.access).status_code)
        wait_until(lambda: len(system.gateway.workers) == len(before))

    counts = count_statuses_during(kill_one_worker, system.url, tokens.access)
    add_figure(f"statuses {dict(counts)}; revoked token: {dict(Counter(revoked_statuses))}")
    assert set(counts) <= {200, 0}
    assert counts[0] <= CLIENTS
    assert set(revoked_statuses) == {401}


def test_a_killed_worker_ends_no_session(
    system: RunningSystem, traffic: SteadyTraffic, add_figure: AddFigure
) -> None:
    """Of about 200 requests in four seconds at most four get no response, and no client gets a 401 or other error."""
    os.kill(min(system.gateway.workers), signal.SIGKILL)
    began = time.monotonic()
    report = traffic.run_for(4)
    add_figure(f"{report}")
    assert report.statuses() <= {200, 0}, report.failures()
    assert len(report.responses(0)) <= 4  # requests take milliseconds, so few are in progress at the kill
    assert len(report.outcomes) / (time.monotonic() - began) > 25
