"""SMTP servers that stall or break off delay a mail, and hold up no other for long."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from auth_service.mail.message import Content
from auth_service.mail.transports.interface import MailDelayed, TransportError, TransportUnavailable
from tests.auth_service.mail.smtp_sending import message, send, settings
from tests.auth_service.mail.smtp_server import MailServer, Talk, broken_server


def stalls_at_once(_: Talk) -> None:
    time.sleep(5)


def stalls_after_the_message(talk: Talk) -> None:
    talk.until_data()
    talk.until_end_of_message()
    time.sleep(5)


def sends_a_byte_now_and_then(talk: Talk) -> None:
    """Each byte is in time for the time-out of a read, so only a total deadline ends it."""
    talk.connection.sendall(b"220-")
    for _ in range(50):
        talk.connection.sendall(b"a")
        time.sleep(0.1)


def refuses_in_the_greeting(talk: Talk) -> None:
    talk.say("554 5.3.2 no service here")


def drops_at_data(talk: Talk) -> None:
    talk.until_data()
    talk.hear()


def drops_after_the_message(talk: Talk) -> None:
    talk.until_data()
    talk.until_end_of_message()


BREAKS: list[tuple[Callable[[Talk], None], type[TransportError], str]] = [
    (stalls_at_once, TransportUnavailable, "did not respond in time"),
    (sends_a_byte_now_and_then, TransportUnavailable, "closed the connection"),
    (refuses_in_the_greeting, TransportUnavailable, "554 5.3.2 no service here"),
    (drops_at_data, MailDelayed, "the connection broke before the server confirmed the message"),
    (drops_after_the_message, MailDelayed, "the connection broke before the server confirmed the message"),
    (stalls_after_the_message, MailDelayed, "the connection broke before the server confirmed the message"),
]


@pytest.mark.parametrize(("behave", "error", "reason"), BREAKS)
def test_a_server_that_stalls_or_breaks_off_delays_the_mail(
    behave: Callable[[Talk], None], error: type[TransportError], reason: str
) -> None:
    started = time.monotonic()
    large = Content("en", "Large", "a line of text\n" * 100_000, "<p></p>\n")
    with broken_server(behave) as port, pytest.raises(error, match=reason) as raised:
        send(settings(port, timeout=0.4), message(content=large))
    assert type(raised.value) is error
    assert time.monotonic() - started < 10


def test_a_host_with_many_silent_addresses_does_not_outlast_the_deadline(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = socket.create_connection

    def connect_late(*arguments: Any, **options: Any) -> socket.socket:
        time.sleep(0.7)  # other addresses, each of which used up the time-out
        return connect(*arguments, **options)

    monkeypatch.setattr("socket.create_connection", connect_late)
    with pytest.raises(TransportUnavailable, match="did not respond in time"):
        send(settings(server.port, timeout=0.3))


def test_no_thread_remains_after_a_deadline() -> None:
    with broken_server(refuses_in_the_greeting) as port:
        for _ in range(3):
            with pytest.raises(TransportUnavailable):
                send(settings(port))
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
