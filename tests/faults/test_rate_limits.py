"""Rate limits over the workers of two gateways, and the log-in throttle, with and without Redis."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from stack.plan import ROOT
from tests.faults.support.figures import AddFigure
from tests.faults.support.polling import wait_until
from tests.faults.support.redis_outages import RedisFault, hung, killed
from tests.faults.support.running_system import RunningSystem, running_system

LOCAL_LIMITS_METRIC = "sallyport_gateway_limits_alone"
WORKERS = 4
MAX_SECONDS = 2.0
"""A request waits at most 0.2 s for a Redis that does not respond; the rest is for slow machines."""

# A public route without an endpoint behind it: an admitted request gets 404 from the service.
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
    """A system with two gateways of two workers each, two auth workers, and limits."""
    routes: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    shipped = (ROOT / "gateway" / "routes.toml").read_text()
    routes.write_text(shipped + "".join(ROUTE.format(name=name, rate=rate) for name, rate in RATES.items()))
    settings = {"GATEWAY_WORKERS": str(WORKERS // 2), "AUTH_WORKERS": "2", "GATEWAY_ROUTES": str(routes)}
    with running_system(gateways=2, **settings, RATE_LIMITS="on") as running:
        yield running


def send_requests(system: RunningSystem, path: str, times: int) -> tuple[Counter[int], float]:
    """Send requests on new connections to both gateways. Return the statuses and the longest duration in seconds."""

    def send(number: int) -> tuple[int, float]:
        began = time.monotonic()
        status = requests.get(system.urls[number % 2] + path, timeout=30).status_code
        return status, time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(send, range(times)))
    return Counter(status for status, _ in responses), max(seconds for _, seconds in responses)


def test_workers_of_two_gateways_share_a_rate_limit(limited: RunningSystem, add_figure: AddFigure) -> None:
    """A limit under ten is exact; a larger one is exceeded by at most a tenth per worker."""
    few, _ = send_requests(limited, "/few/x", 60)
    assert few == {404: 5, 429: 55}
    many, _ = send_requests(limited, "/many/x", 500)
    add_figure(f"of 500 requests under a limit of 200 four workers admitted {many[404]}")
    assert set(many) == {404, 429}
    assert 200 <= many[404] <= 200 + WORKERS * 20


def test_of_forty_parallel_password_guesses_at_most_ten_are_checked(limited: RunningSystem) -> None:
    """All workers count in Redis. After the tenth failure the right password is refused as well."""
    client = limited.client()
    account = client.register()
    wrong = {"email": account.email, "password": "wrong"}

    def guess(number: int) -> int:
        return requests.post(f"{limited.urls[number % 2]}/auth/jwt/create/", json=wrong, timeout=30).status_code

    with ThreadPoolExecutor(40) as pool:
        statuses = Counter(pool.map(guess, range(40)))
    assert set(statuses) <= {401, 429, 503}
    assert 1 <= statuses[401] <= 10
    for _ in range(40):  # guesses that got 503 did not count, so fewer than ten failures may be counted so far
        if guess(0) == 429:
            break
    right = client.send("POST", "/auth/jwt/create/", json={"email": account.email, "password": account.password})
    assert right.status_code == 429


@pytest.mark.parametrize("outage", [killed, hung])
def test_without_redis_each_worker_applies_the_limit_by_itself_and_reports_it(
    limited: RunningSystem, outage: RedisFault, add_figure: AddFigure
) -> None:
    """Each worker admits up to the limit, without 5xx or long waits. After the outage the workers share it again."""
    path = f"/{outage.__name__}/x"
    with outage(limited):
        statuses, slowest = send_requests(limited, path, 400)
        add_figure(f"Redis {outage.__name__}: {dict(statuses)}, slowest {slowest * 1000:.0f} ms")
        assert set(statuses) == {404, 429}
        assert 50 <= statuses[404] <= 50 * WORKERS
        assert slowest < MAX_SECONDS
        limited.gateway.wait_for_event("rate_limits_local")
        wait_until(lambda: limited.metrics()[LOCAL_LIMITS_METRIC] == 1)
    wait_until(lambda: limited.metrics(0)[LOCAL_LIMITS_METRIC] == limited.metrics(1)[LOCAL_LIMITS_METRIC] == 0)
    assert send_requests(limited, path, 20)[0][429] > 0
