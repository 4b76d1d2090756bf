"""Limits across the workers of two gateways and of the auth service, with Redis and without it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import requests

from stack.plan import ROOT
from tests.faults.eventually import eventually
from tests.faults.figures import Say
from tests.faults.running_system import RunningSystem, running_system

ALONE = "sallyport_gateway_limits_alone"
WORKERS = 4
PATIENCE = 2.0
"""Seconds. The first to come near a limit waits a fifth of one for a hung Redis; the rest is a slow machine's."""

# Public, and without a resource: an admitted request receives 404 from the service.
ROUTE = """
[[routes]]
prefix = "/{name}/"
upstream = "notes"
access = "public"
limits = [{{ per = "address", rate = "{rate}" }}]
"""
RATES = {"few": "5/hour", "many": "200/hour", "killed": "50/hour", "hung": "50/hour"}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Two gateways of two workers each, two auth workers, and limits that apply."""
    routes: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    routes.write_text(shipped + "".join(ROUTE.format(name=name, rate=rate) for name, rate in RATES.items()))
    settings = {"GATEWAY_WORKERS": str(WORKERS // 2), "AUTH_WORKERS": "2", "GATEWAY_ROUTES": str(routes)}
    with running_system(gateways=2, **settings, RATE_LIMITS="on") as running:
        yield running


def ask_often(system: RunningSystem, path: str, times: int) -> tuple[Counter[int], float]:
    """Send so many requests on separate connections to both gateways; return statuses and the longest duration in
    seconds.
    """

    def ask(number: int) -> tuple[int, float]:
        began = time.monotonic()
        status = requests.get(system.urls[number % 2] + path, timeout=30).status_code
        return status, time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(times)))
    return Counter(status for status, _ in answers), max(seconds for _, seconds in answers)


def test_workers_of_two_gateways_share_a_limit(limited: RunningSystem, say: Say) -> None:
    """A limit under ten holds exactly; of a larger one each worker may admit a tenth more."""
    few, _ = ask_often(limited, "/few/x", 60)
    assert few == {404: 5, 429: 55}
    many, _ = ask_often(limited, "/many/x", 500)
    say(f"of 500 requests under a limit of 200 four workers let in {many[404]}")
    assert set(many) == {404, 429}
    assert 200 <= many[404] <= 200 + WORKERS * 20


def test_forty_guesses_at_once_are_ten(limited: RunningSystem) -> None:
    """Whichever workers they reach; afterwards not even the right password is accepted from there (R40)."""
    client = limited.client()
    account = client.register()
    wrong = {"email": account.email, "password": "wrong"}

    def guess(number: int) -> int:
        return requests.post(f"{limited.urls[number % 2]}/auth/jwt/create/", json=wrong, timeout=30).status_code

    with ThreadPoolExecutor(40) as pool:
        statuses = Counter(pool.map(guess, range(40)))
    assert set(statuses) <= {401, 429, 503}
    assert 1 <= statuses[401] <= 10
    for _ in range(40):
        if guess(0) == 429:
            break
    right = client.send("POST", "/auth/jwt/create/", json={"email": account.email, "password": account.password})
    assert right.status_code == 429


@contextmanager
def killed(system: RunningSystem) -> Iterator[None]:
    """Redis is stopped for a while."""
    system.redis.kill()
    yield
    system.start_redis()


@contextmanager
def hung(system: RunningSystem) -> Iterator[None]:
    """Redis does not respond for a while."""
    system.redis.freeze()
    yield
    system.redis.thaw()


@pytest.mark.parametrize("outage", [killed, hung])
def test_without_redis_each_worker_counts_alone_and_logs_it(
    limited: RunningSystem, outage: Callable[[RunningSystem], AbstractContextManager[None]], say: Say
) -> None:
    """No 5xx, no waiting, no unlimited clients; the workers share their counts again when Redis is back."""
    path = f"/{outage.__name__}/x"
    with outage(limited):
        statuses, slowest = ask_often(limited, path, 400)
        say(f"Redis {outage.__name__}: {dict(statuses)}, slowest {slowest * 1000:.0f} ms")
        assert set(statuses) == {404, 429}
        assert 50 <= statuses[404] <= 50 * WORKERS
        assert slowest < PATIENCE
        limited.gateway.wait_to_say("rate_limits_local")
        eventually(lambda: limited.metrics()[ALONE] == 1)
    eventually(lambda: limited.metrics(0)[ALONE] == limited.metrics(1)[ALONE] == 0)
    assert ask_often(limited, path, 20)[0][429] > 0
