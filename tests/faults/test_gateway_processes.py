"""Gateway processes under load: reloads and stops lose nothing, a kill only requests in progress."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stack.plan import ROOT
from tests.faults.connection import Connection
from tests.faults.eventually import eventually
from tests.faults.figures import Say
from tests.faults.running_system import RunningSystem
from tests.faults.steady_traffic import SteadyTraffic
from tests.system.running_stack import Client

BUSY = 24
"""Clients that ask one thing after the other, without a pause."""


async def busy(url: str, access: str, is_over: Callable[[], bool], spare: str = "") -> Counter[int]:
    """Return the statuses that busy clients received until the end; a client without a gateway uses the spare one."""
    counts: Counter[int] = Counter()

    async def ask_on() -> None:
        async with Connection(url) as line, Connection(spare or url) as other:
            while not is_over():
                answer = await line.ask("GET", "/api/whoami", access=access)
                if answer.body == b"ConnectionRefusedError" and spare:  # nothing was sent
                    answer = await other.ask("GET", "/api/whoami", access=access)
                counts[answer.status] += 1

    await asyncio.gather(*(ask_on() for _ in range(BUSY)))
    return counts


def drive(url: str, access: str, act: Callable[[], object], spare: str = "") -> Counter[int]:
    """Return the statuses of busy clients while `act` runs in another thread, and for a second longer."""

    async def run() -> Counter[int]:
        acting = asyncio.create_task(asyncio.to_thread(act))
        counts = await busy(url, access, acting.done, spare)
        await acting
        return counts

    return asyncio.run(run())


def reload(system: RunningSystem) -> None:
    """Reload the gateway and return once new workers have replaced all old ones."""
    before = system.gateway.workers
    system.gateway.signal(signal.SIGHUP)
    eventually(lambda: len(system.gateway.workers - before) == len(before))
    eventually(lambda: not system.gateway.workers & before)


def test_three_reloads_under_load_lose_no_request(system: RunningSystem, say: Say) -> None:
    """SIGHUP: old workers finish their requests and close connections, new ones know keys and revocations."""
    client = system.client()
    tokens = client.login(client.register())

    def reload_thrice() -> None:
        for _ in range(3):
            reload(system)

    counts = drive(system.url, tokens.access, reload_thrice)
    say(f"statuses {dict(counts)}")
    assert set(counts) == {200}


def test_new_routes_under_load_lose_no_request_and_wrong_ones_change_nothing(
    system: RunningSystem, say: Say, tmp_path: Path
) -> None:
    """SIGHUP with a routes file that was changed, made wrong, and changed again."""
    client = system.client()
    tokens = client.login(client.register())
    file = tmp_path / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    moved = '[[routes]]\nprefix = "/{}/"\nupstream = "notes"\naccess = "authenticated"\nstrip_prefix = true\n'
    file.write_text(shipped)
    found: list[tuple[int, int]] = []
    with system.another_gateway("rerouted", GATEWAY_ROUTES=str(file)) as (gateway, url):

        def reload_with(text: str) -> None:
            before = gateway.workers
            file.write_text(text)
            gateway.signal(signal.SIGHUP)
            eventually(lambda: len(gateway.workers - before) == len(before) and not gateway.workers & before)
            one, two = (Client(url).send("GET", f"/{place}/api/whoami", tokens.access) for place in ("one", "two"))
            found.append((one.status_code, two.status_code))

        def change() -> None:
            reload_with(shipped + moved.format("one"))
            reload_with(shipped + moved.format("two") + "access = 7")
            reload_with(shipped + moved.format("two"))

        counts = drive(url, tokens.access, change)
        refused = gateway.wait_to_say("routes_rejected")
    say(f"statuses {dict(counts)}; {refused['reason']}")
    assert found == [(200, 404), (200, 404), (404, 200)]
    assert set(counts) == {200}
    assert refused["reason"].startswith(f"{file}:")


def test_a_stopped_gateway_answers_what_it_was_sent(system: RunningSystem, say: Say) -> None:
    """SIGTERM under load: readiness fails first. A client whose connection is refused uses the other gateway."""
    client = system.client()
    tokens = client.login(client.register())
    readiness: list[int] = []
    with system.another_gateway("leaving") as (leaving, url):

        def stop_soon() -> None:
            time.sleep(1)
            leaving.signal(signal.SIGTERM)
            time.sleep(0.5)
            readiness.append(Client(url).send("GET", "/readyz").status_code)
            assert leaving.wait() == 0
            time.sleep(0.5)

        counts = drive(url, tokens.access, stop_soon, spare=system.url)
    say(f"statuses {dict(counts)}")
    assert readiness == [503]
    assert set(counts) == {200}


def test_a_killed_worker_loses_only_what_was_under_way(system: RunningSystem, say: Say) -> None:
    """At most one request per client is lost, and the worker that replaces it knows the revocations."""
    client = system.client()
    account = client.register()
    tokens, gone = client.login(account), client.login(account)
    client.send("POST", "/auth/jwt/blacklist/", json={"refresh": gone.refresh})
    eventually(lambda: client.whoami(gone.access).status_code == 401)
    revoked: list[int] = []

    def kill_one() -> None:
        before = system.gateway.workers
        os.kill(random.choice(sorted(before)), signal.SIGKILL)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            revoked.append(system.client().whoami(gone.access).status_code)
        eventually(lambda: len(system.gateway.workers) == len(before))

    counts = drive(system.url, tokens.access, kill_one)
    say(f"statuses {dict(counts)}; a revoked token meanwhile: {dict(Counter(revoked))}")
    assert set(counts) <= {200, 0}
    assert counts[0] <= BUSY
    assert set(revoked) == {401}


def test_steady_clients_hardly_notice_a_killed_worker(
    system: RunningSystem, traffic: SteadyTraffic, say: Say
) -> None:
    """With fifty requests per second, one or two are cut off, and every session continues."""
    os.kill(min(system.gateway.workers), signal.SIGKILL)
    began = time.monotonic()
    tally = traffic.run_for(4)
    say(f"{tally}")
    assert tally.statuses() <= {200, 0}, tally.wrong()
    assert len(tally.answers(0)) <= 4
    assert len(tally.outcomes) / (time.monotonic() - began) > 25
