"""Every text and every address arrives unchanged, also at servers without 8BITMIME and SMTPUTF8."""

from email.headerregistry import Address

import pytest

from auth_service.mail.message import Content
from tests.auth_service.mail.smtp_sending import message, send, settings
from tests.auth_service.mail.smtp_server import MailServer

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
