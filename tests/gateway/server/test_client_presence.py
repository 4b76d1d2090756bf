"""How long the gateway works on an answer for a client that has closed its sending side."""

from typing import cast

import pytest

from gateway.http.request import Request
from gateway.server.client_presence import PROBE_INTERVAL, ClientCheck, Step
from gateway.server.request_cycle import ClientConnection, RequestCycle

SILENCE = 10.0


def cycle_of(http_version: str) -> RequestCycle:
    request = Request("id", "GET", b"/", b"", [], http_version, "192.0.2.1", "http", None)
    return RequestCycle(cast(ClientConnection, None), request, keep_alive=True, expects_continue=False)


def test_a_client_that_waits_for_its_answer_is_probed_now_and_then() -> None:
    client, cycle = ClientCheck(SILENCE), cycle_of("1.1")
    times = (0.0, 0.1, PROBE_INTERVAL, PROBE_INTERVAL + 0.1, 2 * PROBE_INTERVAL, 100.0)
    steps = [client.half_closed_step(cycle, now) for now in times]
    assert steps == [Step.PROBE, Step.WAIT, Step.WAIT, Step.PROBE, Step.WAIT, Step.PROBE]


@pytest.mark.parametrize(("http_version", "started"), [("1.0", False), ("1.0", True), ("1.1", True)])
def test_where_no_probe_can_be_sent_a_silence_ends_it(http_version: str, started: bool) -> None:
    client, cycle = ClientCheck(SILENCE), cycle_of(http_version)
    cycle.started = started
    assert client.half_closed_step(cycle, 0.0) is Step.WAIT
    assert client.half_closed_step(cycle, SILENCE) is Step.WAIT
    cycle.parts_sent += 1  # the answer goes on
    assert client.half_closed_step(cycle, SILENCE + 1) is Step.WAIT
    assert client.half_closed_step(cycle, 2 * SILENCE + 1) is Step.WAIT
    assert client.half_closed_step(cycle, 2 * SILENCE + 1.1) is Step.GIVE_UP


def test_the_next_answer_has_a_silence_of_its_own() -> None:
    client = ClientCheck(SILENCE)
    assert client.half_closed_step(cycle_of("1.0"), 0.0) is Step.WAIT
    assert client.half_closed_step(cycle_of("1.0"), SILENCE + 1) is Step.WAIT


def test_a_stream_of_events_ends_at_once() -> None:
    client, cycle = ClientCheck(SILENCE), cycle_of("1.1")
    cycle.is_event_stream = True
    assert client.half_closed_step(cycle, 0.0) is Step.GIVE_UP
