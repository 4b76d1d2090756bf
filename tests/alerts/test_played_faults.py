"""Each alert fires in the running system when its fault is played (`make test-alerts`).

The windows of the rules are shortened to seconds (running_prometheus.py); thresholds and expressions are the shipped
ones. A fault may cause several alerts; a test waits for its own.
"""

import resource
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager

import pytest
import requests

from tests.alerts.alert_rules import alert_names
from tests.alerts.claims import SWITCH
from tests.alerts.played_system import PlayedSystem
from tests.alerts.running_prometheus import RunningPrometheus
from tests.faults.support.redis_outages import killed

Fault = Callable[[PlayedSystem], AbstractContextManager[None]]
FAULTS: dict[str, Fault] = {}


def plays(*alerts: str) -> Callable[[Callable[[PlayedSystem], Iterator[None]]], Fault]:
    """Register a fault, which is played until its `with` block ends, for these alerts."""

    def register(function: Callable[[PlayedSystem], Iterator[None]]) -> Fault:
        fault = contextmanager(function)
        FAULTS.update(dict.fromkeys(alerts, fault))
        return fault

    return register


def repeated(action: Callable[[], object], pause: float = 0.1) -> AbstractContextManager[None]:
    """Call `action` again and again in a thread until the block ends. Its errors are those of the fault."""

    @contextmanager
    def repeat() -> Iterator[None]:
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(pause):
                try:
                    action()
                except (requests.RequestException, OSError, AssertionError):
                    continue

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(60)

    return repeat()


@plays("SallyportCircuitOpen", "SallyportUpstreamFailures", "SallyportErrorBudgetFast", "SallyportErrorBudgetSlow")
def a_service_is_down(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    with repeated(lambda: client.send("GET", "/nobody/x")):
        yield


@plays("SallyportAddressOut")
def one_of_two_addresses_is_down(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    with repeated(lambda: client.send("GET", "/half/x")):
        yield


@plays("SallyportUpstreamConnectionsUsed")
def a_service_does_not_answer(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    with repeated(lambda: client.send("GET", "/silent/x")):
        yield


@plays("SallyportLatencyBudget", "SallyportOverheadHigh")
def a_service_is_slow(played: PlayedSystem) -> Iterator[None]:
    """Requests wait for the service, and for a slot of their route."""
    clients = [played.client for _ in range(6)]

    def suspend() -> None:
        with ThreadPoolExecutor(len(clients)) as pool:
            played.system.resource.suspend()
            waiting = [pool.submit(client.send, "GET", "/queued/x") for client in clients]
            time.sleep(1)
            played.system.resource.resume()
            for request in waiting:
                request.result()

    with repeated(suspend):
        yield


@plays("SallyportStreamsUsed")
def all_streams_are_open(played: PlayedSystem) -> Iterator[None]:
    headers = {"Authorization": f"Bearer {played.tokens.access}"}
    url = f"{played.system.url}/api/notes/events"
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        assert response.status_code == 200
        yield


@plays("SallyportEventLoopLag")
def a_worker_gets_no_cpu_time(played: PlayedSystem) -> Iterator[None]:
    def suspend() -> None:
        played.system.gateway.suspend()
        time.sleep(2)
        played.system.gateway.resume()

    with repeated(suspend, 1):
        yield


@plays("SallyportTokensRefused")
def forged_tokens_are_tried(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    header, payload, signature = played.tokens.access.split(".")
    forged = f"{header}.{payload}.{signature[::-1]}"
    with repeated(lambda: client.whoami(forged)):
        yield


@plays("SallyportMalformedRequests")
def something_else_than_http_is_sent(played: PlayedSystem) -> Iterator[None]:
    port = int(played.system.url.rpartition(":")[2])

    def send() -> None:
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
                connection.recv(1_000)

    with repeated(send):
        yield


@plays("SallyportReplays")
def used_refresh_tokens_are_presented(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    used = [client.login(played.account) for _ in range(10)]
    for tokens in used:
        client.refresh(client.refresh(client.refresh(tokens)))
    for tokens in used:  # at once, because on a busy machine ten log-ins take longer than the window of the alert
        assert client.try_refresh(tokens.refresh).status_code == 401
    yield


@plays("SallyportLoginFailures")
def passwords_are_guessed(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    guess = {"email": "nobody@example.com", "password": "wrong"}
    with repeated(lambda: client.send("POST", "/auth/jwt/create/", json=guess)):
        yield


@plays("SallyportLoginQueueFull")
def many_users_log_in_at_once(played: PlayedSystem) -> Iterator[None]:
    def log_in() -> None:
        played.client.login(played.account)

    with repeated(log_in, 0), repeated(log_in, 0), repeated(log_in, 0), repeated(log_in, 0):
        yield


@plays("SallyportAuthErrors")
def the_disk_of_the_auth_service_is_full(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    _allow_writes(played, False)
    try:
        with repeated(lambda: client.try_refresh(played.tokens.refresh)):
            yield
    finally:
        _allow_writes(played, True)


def _allow_writes(played: PlayedSystem, may_write: bool) -> None:
    for worker in played.system.auth.workers:
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (hard if may_write else 0, hard))


@plays("SallyportMailServerUnavailable")
def the_mail_server_is_down(played: PlayedSystem) -> Iterator[None]:
    _request_mail(played)
    yield


@plays("SallyportMailsWaiting")
def a_mail_has_waited_for_long(played: PlayedSystem) -> Iterator[None]:
    _request_mail(played)
    _age_mails(played, 900)
    yield


@plays("SallyportMailsFailed")
def a_mail_is_given_up(played: PlayedSystem) -> Iterator[None]:
    _request_mail(played)
    _age_mails(played, 4 * 86_400)
    yield


def _request_mail(played: PlayedSystem) -> None:
    response = played.client.send("POST", "/auth/users/reset_password/", json={"email": played.account.email})
    assert response.status_code == 204, response.text


def _age_mails(played: PlayedSystem, seconds: int) -> None:
    with closing(sqlite3.connect(played.system.data_dir / "auth.db", timeout=10)) as database, database:
        database.execute("UPDATE mail_outbox SET created_at = created_at - ?", (seconds,))


@plays("SallyportWebhooksWaiting")
def a_webhook_has_waited_for_long(played: PlayedSystem) -> Iterator[None]:
    played.client.register()
    _change_database(played, "UPDATE webhook_deliveries SET created_at = created_at - 7200")
    yield


@plays("SallyportWebhookEndpointDisabled")
def an_endpoint_is_disabled(played: PlayedSystem) -> Iterator[None]:
    row = "(name, failing_since, disabled_at, reason) VALUES ('silent', 1, 2, '')"
    _change_database(played, f"INSERT OR REPLACE INTO webhook_endpoints {row}")
    yield
    _change_database(played, "DELETE FROM webhook_endpoints")


@plays("SallyportClaimsHookFailing")
def the_claims_hook_fails(played: PlayedSystem) -> Iterator[None]:
    switch = played.system.data_dir / SWITCH
    switch.touch()
    try:
        with repeated(lambda: played.client.login(played.account)):
            yield
    finally:
        switch.unlink()


def _change_database(played: PlayedSystem, statement: str) -> None:
    with closing(sqlite3.connect(played.system.data_dir / "auth.db", timeout=10)) as database, database:
        database.execute(statement)


@plays(
    "SallyportRevocationFeedStale",
    "SallyportRevocationsPending",
    "SallyportRedisUnavailable",
    "SallyportRateLimitsLocal",
)
def redis_is_down(played: PlayedSystem) -> Iterator[None]:
    client = played.client
    with killed(played.system), repeated(lambda: client.send("GET", "/limited/x")):
        yield


@plays("SallyportTargetDown")
def a_process_has_ended(played: PlayedSystem) -> Iterator[None]:
    played.system.resource.stop()
    yield
    played.system.resource.start()


@plays("SallyportRoutesRefused")
def a_wrong_routes_file_is_loaded(played: PlayedSystem) -> Iterator[None]:
    right = played.routes.read_text()
    played.routes.write_text(right.replace('access = "public"', 'access = "everybody"'))
    played.system.gateway.signal(signal.SIGHUP)
    yield
    played.routes.write_text(right)
    played.system.gateway.signal(signal.SIGHUP)


def test_nothing_fires_while_the_system_is_healthy(played: PlayedSystem, prometheus: RunningPrometheus) -> None:
    client = played.client
    for _ in range(30):
        assert client.whoami(played.tokens.access).status_code == 200
        time.sleep(0.2)
    assert prometheus.firing() == set()


def test_there_is_a_fault_for_each_alert() -> None:
    assert set(FAULTS) == set(alert_names())


@pytest.mark.parametrize("alert", FAULTS)
def test_the_alert_fires_when_its_fault_is_played(
    played: PlayedSystem, prometheus: RunningPrometheus, alert: str
) -> None:
    with FAULTS[alert](played):
        prometheus.wait_for(alert)
