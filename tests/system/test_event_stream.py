"""The notes' event stream through the whole stack."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from tests.system.support.running_stack import RunningStack, Tokens


def subscribe(stack: RunningStack, tokens: Tokens) -> requests.Response:
    response = stack.send("GET", "/api/notes/events", tokens.access, stream=True)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/event-stream")
    return response


def test_a_subscriber_gets_events_at_once_until_its_log_out_closes_the_stream(stack: RunningStack) -> None:
    tokens = stack.login(stack.register())
    with closing(subscribe(stack, tokens)) as response:
        parts: Iterator[str] = response.iter_content(None, decode_unicode=True)
        assert next(parts).startswith("retry: ")
        path = stack.add_note(tokens.access, "New")
        event = next(parts)
        assert event.startswith("event: created\nid: 1\n")
        note_id = path.split("/")[3]
        assert note_id in event

        assert stack.send("POST", "/auth/jwt/blacklist/", json={"refresh": tokens.refresh}).status_code == 200
        ended = time.monotonic()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(parts)
        assert time.monotonic() - ended < 5  # the feed is read once per second; the rest is for busy machines
