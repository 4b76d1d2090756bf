"""A service or one of its addresses goes down: the circuit opens, the address is ejected, and both recover."""

import time
from collections import Counter

from tests.faults.support.figures import AddFigure
from tests.faults.support.managed_process import ManagedProcess
from tests.faults.support.polling import wait_until
from tests.faults.upstreams.looping_clients import CLIENTS, client_at_rate, looping_clients
from tests.gateway.raw_upstream import Conversation, RawUpstream, ok
from tests.system.support.running_stack import Client


def test_the_circuit_opens_while_a_service_is_down_and_closes_when_it_is_back(
    gateway: tuple[ManagedProcess, str], down_port: int, add_figure: AddFigure
) -> None:
    """Each worker opens and closes its own circuit, within seconds of the service's return, and logs both."""
    process, url = gateway
    with looping_clients(url, "/down/") as responses:
        wait_until(lambda: len(process.events("upstream_circuit_opened")) >= 2)
        time.sleep(2)
        service = RawUpstream(port=down_port)
        try:
            began = time.monotonic()
            wait_until(lambda: [response.status for response in responses[-CLIENTS:]] == [200] * CLIENTS)
        finally:
            service.stop()
    took = time.monotonic() - began
    statuses = Counter(response.status for response in responses)
    add_figure(f"{CLIENTS} clients: {dict(statuses)}; all 200 again {took:.1f} s after the service's start")
    assert statuses.keys() == {200, 502, 503}
    assert all(response.retry_after for response in responses if response.status == 503)
    assert process.events("upstream_circuit_closed")


def test_a_path_that_always_fails_does_not_open_the_circuit_for_other_paths(
    gateway: tuple[ManagedProcess, str], client: Client, down_port: int
) -> None:
    """In both workers the circuit stays closed, also right after the service was down."""
    _, url = gateway

    async def reset_one_path(conversation: Conversation) -> None:
        if " /down/bad " in conversation.request.request_line:
            conversation.reset()
        else:
            await conversation.write(ok())

    with client_at_rate(url, "/down/bad", per_second=20):
        wait_until(lambda: client.send("GET", "/down/good").status_code == 503)
        service = RawUpstream(port=down_port)
        try:
            service.begin(reset_one_path)
            wait_until(lambda: [client.send("GET", "/down/good").status_code for _ in range(8)] == [200] * 8)
            statuses = []
            for _ in range(60):
                statuses.append(client.send("GET", "/down/good").status_code)
                time.sleep(0.05)  # the other client sends to the failing path meanwhile
        finally:
            service.stop()
    assert statuses == [200] * 60


def test_when_one_of_two_addresses_goes_down_only_its_requests_in_progress_fail(
    gateway: tuple[ManagedProcess, str],
    service: RawUpstream,
    second_address: RawUpstream,
    add_figure: AddFigure,
) -> None:
    """Every later request goes to the other address."""
    process, url = gateway
    service.begin()
    second_address.begin()
    with looping_clients(url, "/pair/") as responses:
        wait_until(lambda: len(service.requests) > 100 and len(second_address.requests) > 100)
        second_address.stop()
        time.sleep(2)
    statuses = Counter(response.status for response in responses)
    add_figure(f"{dict(statuses)}")
    assert statuses.keys() <= {200, 502}
    assert statuses[502] <= CLIENTS
    assert process.events("upstream_ejected")
