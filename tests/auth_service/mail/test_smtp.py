"""The SMTP transport, against real servers that accept, refuse, stall and break off."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.headerregistry import Address
from pathlib import Path
from typing import Any

import pytest

from auth_service.mail.mailbox import Mailbox, wire_address
from auth_service.mail.message import Content, as_bytes, build_message
from auth_service.mail.transports import smtp
from auth_service.mail.transports.interface import (
    MailDelayed,
    MailRejected,
    OutgoingMessage,
    TransportError,
    TransportUnavailable,
)
from auth_service.mail.transports.smtp import SmtpServer, SmtpTransport
from tests.auth_service.mail.smtp_server import HOST, MailServer, Talk, broken_server, mail_server
from tests.gateway.stand_ins.certificates import Authority

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

TOKEN = "t3xq5h-" + "Ab_-" * 10 + "Abc"
CONTENT = Content("en", "Hello", f"Open this:\n\nhttps://app.test/reset/abc/{TOKEN}\n", "<p>Open this</p>\n")


def message(recipient: str = "ann@example.org", content: Content = CONTENT) -> OutgoingMessage:
    sender = Mailbox("Example", "no-reply@example.org")
    built = build_message(content, sender, recipient, "id@example.org", 1_800_000_000.0)
    return OutgoingMessage("name", sender.address, wire_address(recipient), as_bytes(built))


def settings(port: int, **more: object) -> SmtpServer:
    plain = SmtpServer(HOST, port, "none", "app.example.org", timeout=5.0)
    return replace(plain, **more)  # type: ignore[arg-type]


def send(server: SmtpServer, outgoing: OutgoingMessage | None = None) -> str:
    transport = SmtpTransport(server)
    try:
        return transport.send(outgoing or message())
    finally:
        transport.close()


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server(MailServer()) as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    """The server's context, with a certificate of an authority that the system does not know."""
    pair = authority.issue("mail", HOST)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    return context


def test_a_message_arrives_with_its_envelope_and_the_name_of_this_host(server: MailServer) -> None:
    receipt = send(settings(server.port))
    (received,) = server.received
    assert (received.sender, received.recipient) == ("no-reply@example.org", "ann@example.org")
    assert received.link.endswith(TOKEN)
    assert receipt == "250 2.0.0 OK: queued as 1"
    assert server.hello_names == ["app.example.org"]


def test_the_own_name_is_not_looked_up(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """smtplib calls getfqdn without a local_hostname, which takes long while the DNS is slow."""
    monkeypatch.setattr("socket.getfqdn", lambda *_: pytest.fail("getfqdn was called"))
    send(settings(server.port))


@pytest.mark.parametrize("is_tls_at_once", [False, True], ids=["starttls", "tls"])
def test_an_unknown_authority_is_refused_and_a_ca_file_accepts_it(
    tls: ssl.SSLContext, authority: Authority, is_tls_at_once: bool
) -> None:
    security = "tls" if is_tls_at_once else "starttls"
    with mail_server(MailServer(tls=tls, is_tls_at_once=is_tls_at_once)) as server:
        with pytest.raises(TransportUnavailable, match=r"the certificate of .* is not valid: .*SMTP_CA_FILE"):
            send(settings(server.port, security=security))
        assert not server.received
        send(settings(server.port, security=security, ca_file=str(authority.file)))
        assert server.was_encrypted == [True]


@pytest.mark.parametrize("is_tls_at_once", [False, True], ids=["starttls", "tls"])
def test_a_certificate_for_another_name_is_refused(
    authority: Authority, tls: ssl.SSLContext, is_tls_at_once: bool
) -> None:
    pair = authority.issue("other", "mail.example.org")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    security = "tls" if is_tls_at_once else "starttls"
    with mail_server(MailServer(tls=context, is_tls_at_once=is_tls_at_once)) as server:
        with pytest.raises(TransportUnavailable, match="SMTP_HOST must be the name in the certificate"):
            send(settings(server.port, security=security, ca_file=str(authority.file)))
        assert not server.received


def test_a_server_without_starttls_gets_neither_the_message_nor_the_password() -> None:
    with mail_server(MailServer(credentials=("app", "secret"))) as server:
        with pytest.raises(TransportUnavailable, match="does not offer STARTTLS: set SMTP_SECURITY=tls"):
            send(settings(server.port, security="starttls", user="app", password="secret"))
        assert not server.received


def test_the_wrong_kind_of_tls_is_explained(tls: ssl.SSLContext) -> None:
    with (
        mail_server(MailServer(tls=tls)) as server,
        pytest.raises(TransportUnavailable, match="set SMTP_SECURITY=starttls"),
    ):
        send(settings(server.port, security="tls"))
    with (
        mail_server(MailServer(tls=tls, is_tls_at_once=True)) as server,
        pytest.raises(TransportUnavailable, match=r"\(465\), set SMTP_SECURITY=tls"),
    ):
        send(settings(server.port, security="starttls", timeout=0.5))


@pytest.mark.parametrize("password", ["secret", "gehéim€"], ids=["ascii", "unicode"])
@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_it_logs_in(way: str, password: str) -> None:
    """In UTF-8 (RFC 4616). smtplib alone raises UnicodeEncodeError."""
    off = ("LOGIN",) if way == "PLAIN" else ("PLAIN",)
    with mail_server(MailServer(credentials=("app@example.org", password), auth_mechanisms_off=off)) as server:
        send(settings(server.port, user="app@example.org", password=password))
        assert len(server.received) == 1


def test_a_wrong_password_stops_all_mails_and_is_no_fault_of_the_mail() -> None:
    with (
        mail_server(MailServer(credentials=("app", "secret"))) as server,
        pytest.raises(TransportUnavailable, match=r"refused the log-in: 535 .*app password") as raised,
    ):
        send(settings(server.port, user="app", password="wrong-pw"))
    assert "wrong-pw" not in str(raised.value)


def test_a_server_that_wants_a_log_in_stops_all_mails() -> None:
    with (
        mail_server(MailServer(credentials=("app", "secret"))) as server,
        pytest.raises(TransportUnavailable, match=r"530 .*SMTP_USER"),
    ):
        send(settings(server.port))


REFUSALS: list[tuple[str, str, type[TransportError]]] = [
    ("MAIL", "553 5.7.1 sender not allowed", TransportUnavailable),
    ("MAIL", "451 4.3.0 try later", TransportUnavailable),
    ("RCPT", "450 4.2.0 greylisted", MailDelayed),
    ("RCPT", "452 4.2.2 mailbox full", MailDelayed),
    ("RCPT", "421 4.7.0 too many messages", TransportUnavailable),
    ("RCPT", "550 5.1.1 no such user", MailRejected),
    ("RCPT", "550 no such user", MailRejected),
    ("RCPT", "554 5.7.1 relay access denied", MailDelayed),
    ("DATA", "451 4.7.1 try later", MailDelayed),
    ("DATA", "554 5.6.0 message refused", MailRejected),
]


@pytest.mark.parametrize(("command", "reply", "error"), REFUSALS)
def test_a_refusal_concerns_the_mail_for_now_or_for_good_or_all_mails(
    server: MailServer, command: str, reply: str, error: type[TransportError]
) -> None:
    server.replies[command] = [reply]
    with pytest.raises(error) as raised:
        send(settings(server.port))
    assert type(raised.value) is error
    assert reply in str(raised.value)


def test_after_a_refused_mail_the_next_one_uses_the_same_connection(server: MailServer) -> None:
    server.replies["RCPT"] = ["550 5.1.1 no such user"]
    transport = SmtpTransport(settings(server.port))
    with pytest.raises(MailRejected):
        transport.send(message("unknown@example.org"))
    transport.send(message("bob@example.org"))
    transport.close()
    assert [received.recipient for received in server.received] == ["bob@example.org"]
    assert server.connections == 1


def test_replies_are_kept_without_addresses_and_tokens(server: MailServer) -> None:
    server.replies["DATA"] = [f"554 5.7.1 <ann@example.org>: bad link https://app.test/reset/abc/{TOKEN}"]
    with pytest.raises(MailRejected) as raised:
        send(settings(server.port))
    assert "554 5.7.1 <[address]>: bad link https://app.test/reset/abc/[token]" in str(raised.value)


def test_a_connection_that_the_server_closed_is_replaced(server: MailServer) -> None:
    """As after an idle time, or a number of messages."""
    transport = SmtpTransport(settings(server.port))
    transport.send(message())
    server.replies["MAIL"] = ["421 4.7.0 too many messages in this connection"]
    transport.send(message("bob@example.org"))
    server.stop()
    server.start()
    transport.send(message("eve@example.org"))
    transport.close()
    assert [received.recipient.partition("@")[0] for received in server.received] == ["ann", "bob", "eve"]
    assert server.connections == 3


def test_a_connection_has_a_limited_number_of_messages(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "MESSAGES_PER_CONNECTION", 2)
    transport = SmtpTransport(settings(server.port))
    for _ in range(5):
        transport.send(message())
    transport.close()
    assert (len(server.received), server.connections) == (5, 3)


def test_a_server_that_is_down_is_unavailable(server: MailServer) -> None:
    server.stop()
    with pytest.raises(TransportUnavailable, match="cannot be reached: Connection refused"):
        send(settings(server.port))


def test_an_unknown_host_is_unavailable() -> None:
    with pytest.raises(TransportUnavailable, match=r"the name mail\.invalid cannot be resolved"):
        send(settings(25, host="mail.invalid"))


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
    assert time.monotonic() - started < 3


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


HARD_TEXT = "\n".join(
    [
        "a line",
        ".",
        "..",
        ".hidden",
        "From the beginning",
        "x" * 3_000,
        "Zürich, 日本, 😀",
        "bare\rreturn",
        ".",
        "end",
    ]
)


@pytest.mark.parametrize("text", [HARD_TEXT, HARD_TEXT.encode("ascii", "ignore").decode()], ids=["utf-8", "ascii"])
def test_dots_long_lines_and_unicode_arrive_unchanged_in_seven_bits(server: MailServer, text: str) -> None:
    """Also at servers without 8BITMIME; no line is over 998 bytes, and none ends with a bare CR or LF."""
    html = f"<p>{text}</p>\n"
    send(settings(server.port), message(content=Content("en", "Hard", text + "\n", html)))
    (received,) = server.received
    assert received.content.isascii()
    assert max(map(len, received.content.split(b"\r\n"))) <= 998
    without_line_ends = received.content.replace(b"\r\n", b"")
    assert b"\r" not in without_line_ends
    assert b"\n" not in without_line_ends
    assert received.text() == text.replace("\r", "\n") + "\n"
    assert received.text("html") == html.replace("\r", "\n")


@pytest.mark.parametrize(
    ("recipient", "envelope"),
    [
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("Ann.O'Neil+tag@Example.ORG", "Ann.O'Neil+tag@example.org"),
        ('"a@b"@example.org', '"a@b"@example.org'),
        (f"{'a' * 64}@{'b' * 60}.{'c' * 60}.example.org", f"{'a' * 64}@{'b' * 60}.{'c' * 60}.example.org"),
    ],
)
def test_every_address_of_an_account_can_be_sent_to(server: MailServer, recipient: str, envelope: str) -> None:
    """Without SMTPUTF8, which many servers lack."""
    send(settings(server.port), message(recipient))
    (received,) = server.received
    assert received.recipient == envelope
    (to,) = received.message["to"].addresses
    assert isinstance(to, Address)
    assert to.addr_spec == envelope
