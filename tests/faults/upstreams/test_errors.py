"""A service refuses, resets, truncates or does not respond: its clients get an error, and other routes work."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.faults.support.figures import AddFigure
from tests.faults.support.polling import wait_until
from tests.faults.support.steady_traffic import SteadyTraffic
from tests.gateway.raw_upstream import Conversation, RawUpstream, Script, answering, silent
from tests.system.support.running_stack import Client

WAITING = 100
"""Requests that wait for a service that does not respond."""


async def reset(conversation: Conversation) -> None:
    """Reset the connection instead of responding."""
    conversation.reset()


async def truncate(conversation: Conversation) -> None:
    """Send ten of a hundred bytes and close the connection."""
    await conversation.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
    conversation.close()


async def truncate_chunked(conversation: Conversation) -> None:
    """Send a chunked body without its last chunk and close the connection."""
    await conversation.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n")
    await asyncio.sleep(0.1)
    conversation.close()


def test_a_refused_connection_is_502_upstream_unreachable(client: Client) -> None:
    response = client.send("GET", "/refusing/")
    assert (response.status_code, response.json()["code"]) == (502, "upstream_unreachable")


def test_a_reset_instead_of_a_response_is_502_upstream_failed(client: Client, service: RawUpstream) -> None:
    service.begin(reset)
    response = client.send("POST", "/scripted/", data=b"x")
    assert (response.status_code, response.json()["code"]) == (502, "upstream_failed")


def test_no_response_within_the_read_timeout_is_504_upstream_timeout(client: Client, service: RawUpstream) -> None:
    service.begin(silent)
    began = time.monotonic()
    response = client.send("GET", "/scripted/")
    assert (response.status_code, response.json()["code"]) == (504, "upstream_timeout")
    assert 2 <= time.monotonic() - began < 3


@pytest.mark.parametrize("script", [truncate, truncate_chunked])
def test_a_truncated_response_never_looks_complete(client: Client, service: RawUpstream, script: Script) -> None:
    """The gateway closes the client's connection early, so the client's library raises an error."""
    service.begin(script)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.send("GET", "/scripted/")


def test_a_service_that_does_not_respond_leaves_other_routes_unaffected(
    client: Client, service: RawUpstream, add_figure: AddFigure
) -> None:
    """A hundred requests wait for the service in the same gateway; all other requests get 200 within a second."""
    service.begin(silent)
    statuses: list[int] = []

    def send() -> None:
        with requests.Session() as session:
            session.trust_env = False
            statuses.append(session.get(f"{client.url}/scripted/", timeout=30).status_code)

    with SteadyTraffic(client.url) as traffic, ThreadPoolExecutor(WAITING) as pool:
        waiting = [pool.submit(send) for _ in range(WAITING)]
        wait_until(lambda: len(service.requests) == WAITING)
        others = traffic.run_for(1.5)
        assert not any(request.done() for request in waiting)
    service.begin(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))
    add_figure(f"other routes during {WAITING} waiting requests: {others}")
    assert statuses == [504] * WAITING
    assert others.statuses() == {200}, others.failures()
    assert others.slowest() < 1
