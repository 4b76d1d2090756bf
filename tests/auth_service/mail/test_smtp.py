"""The SMTP transport, against real servers that accept and refuse."""

import ssl
from pathlib import Path

import pytest

from auth_service.mail.transports import smtp
from auth_service.mail.transports.interface import MailDelayed, MailRejected, TransportError, TransportUnavailable
from auth_service.mail.transports.smtp import SmtpTransport
from tests.auth_service.mail.smtp_sending import TOKEN, message, send, settings
from tests.auth_service.mail.smtp_server import HOST, MailServer, mail_server
from tests.gateway.stand_ins.certificates import Authority

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


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
