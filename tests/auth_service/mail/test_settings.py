"""The settings of mails: what is missing or contradictory stops the start and is named."""

from pathlib import Path

import pytest

from auth_service.mail.mailbox import Mailbox
from auth_service.mail.outbox import MailKind
from auth_service.mail.settings import MailSettings
from chassis.settings import SettingsError, load
from tests.gateway.stand_ins.certificates import Authority

SMTP = {"SMTP_HOST": "mail.example.org", "MAIL_FROM": "no-reply@example.org"}
PRODUCTION = {**SMTP, "APP_ENV": "production", "PUBLIC_URL": "https://app.example.org"}


def settings(**environ: str) -> MailSettings:
    return load(MailSettings, environ)


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        settings(**environ)
    return str(raised.value).splitlines()


def test_development_needs_no_setting_and_keeps_mails_as_files() -> None:
    assert settings().smtp_server is None
    assert settings(DATA_DIR="/data").mail_folder == Path("/data/mail")
    assert settings().links.base == "http://localhost:8000"


def test_production_needs_a_server_or_says_that_mails_are_kept() -> None:
    (problem,) = problems(APP_ENV="production")
    assert problem.startswith("SMTP_HOST is missing: set it with MAIL_FROM and PUBLIC_URL, or set MAIL_WITHOUT_SMTP=")
    assert settings(APP_ENV="production", MAIL_WITHOUT_SMTP="folder").smtp_server is None
    (problem,) = problems(MAIL_WITHOUT_SMTP="refuse")
    assert problem.startswith("SMTP_HOST is missing")
    assert settings(**PRODUCTION).smtp_server


def test_every_missing_setting_is_named_at_once() -> None:
    assert problems(APP_ENV="production", SMTP_HOST="mail.example.org", SMTP_USER="app") == [
        "SMTP_PASSWORD is missing: SMTP_USER is set",
        "MAIL_FROM is missing: SMTP_HOST needs a sender",
        "PUBLIC_URL is missing: links in mails begin with it, or with APP_URL",
    ]


@pytest.mark.parametrize(
    ("host", "port"), [("mail.example.org:587", 587), ("192.0.2.1:25", 25), ("[2001:db8::1]:465", 465)]
)
def test_a_host_with_a_port_is_refused_and_the_setting_of_the_port_is_named(host: str, port: int) -> None:
    (problem,) = problems(SMTP_HOST=host, MAIL_FROM="no-reply@example.org")
    assert (
        problem == f"SMTP_HOST must be a host name or an address without a port: set SMTP_PORT={port}; got '{host}'"
    )


@pytest.mark.parametrize("host", ["mail.example.org", "::1", "2001:db8::25"])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    server = settings(**{**SMTP, "SMTP_HOST": host}).smtp_server
    assert server
    assert server.host == host


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ("starttls", 587)),
        ({"SMTP_PORT": "465"}, ("tls", 465)),
        ({"SMTP_SECURITY": "tls"}, ("tls", 465)),
        ({"SMTP_SECURITY": "none"}, ("none", 25)),
        ({"SMTP_PORT": "2525"}, ("starttls", 2525)),
        ({"SMTP_PORT": "465", "SMTP_SECURITY": "starttls"}, ("starttls", 465)),
    ],
)
def test_port_and_security_follow_from_each_other(environ: dict[str, str], expected: tuple[str, int]) -> None:
    server = settings(**SMTP, **environ).smtp_server
    assert server
    assert (server.security, server.port) == expected


def test_a_password_is_not_sent_unencrypted_to_another_machine() -> None:
    log_in = {**SMTP, "SMTP_USER": "app", "SMTP_PASSWORD": "hunter2hunter2", "SMTP_SECURITY": "none"}
    (problem,) = problems(**log_in)
    assert problem.startswith("SMTP_SECURITY must be starttls or tls")
    assert "hunter2" not in problem
    assert settings(**{**log_in, "SMTP_HOST": "localhost"}).smtp_server


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    server = settings(**SMTP, SMTP_USER="app", SMTP_PASSWORD_FILE=str(tmp_path / "password")).smtp_server
    assert server
    assert (server.user, server.password) == ("app", "hunter2")
    assert "hunter2" not in repr(server)


def test_a_ca_file_must_exist(tmp_path: Path) -> None:
    (problem,) = problems(**SMTP, SMTP_CA_FILE=str(tmp_path / "absent.pem"))
    assert problem.startswith("SMTP_CA_FILE must be an existing file")
    assert settings(**SMTP, SMTP_CA_FILE=str(Authority(tmp_path, "ca").file)).smtp_server


@pytest.mark.parametrize(
    ("text", "mailbox", "header"),
    [
        ("no-reply@example.org", Mailbox("", "no-reply@example.org"), "no-reply@example.org"),
        ("<no-reply@example.org>", Mailbox("", "no-reply@example.org"), "no-reply@example.org"),
        (" <no-reply@example.org>", Mailbox("", "no-reply@example.org"), "no-reply@example.org"),
        ("Example <a@example.org>", Mailbox("Example", "a@example.org"), "Example <a@example.org>"),
        (
            '"Example, Inc." <a@example.org>',
            Mailbox("Example, Inc.", "a@example.org"),
            '"Example, Inc." <a@example.org>',
        ),
        (
            "Example, Inc. <a@example.org>",
            Mailbox("Example, Inc.", "a@example.org"),
            '"Example, Inc." <a@example.org>',
        ),
        (
            "a@example.org <a@example.org>",
            Mailbox("a@example.org", "a@example.org"),
            '"a@example.org" <a@example.org>',
        ),
        (
            "Zürich <a@bücher.example>",
            Mailbox("Zürich", "a@xn--bcher-kva.example"),
            "Zürich <a@xn--bcher-kva.example>",
        ),
    ],
)
def test_the_sender_is_an_address_with_or_without_a_name(text: str, mailbox: Mailbox, header: str) -> None:
    """The envelope has the address alone; an empty name gives no empty quotes."""
    sender = settings(SMTP_HOST="mail.example.org", MAIL_FROM=text).mail_sender
    assert sender == mailbox
    assert str(sender.header) == header


@pytest.mark.parametrize(
    "text", ["Example", "Example <a@example.org", "a@b", "A <a@example.org>\nBcc: x@example.org"]
)
def test_a_wrong_sender_is_refused(text: str) -> None:
    assert problems(SMTP_HOST="mail.example.org", MAIL_FROM=text)[0].startswith("MAIL_FROM ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_URL", "app.example.org"),
        ("APP_URL", "javascript://app.example.org"),
        ("APP_URL", "https://app.example.org/?a=1"),
        ("PUBLIC_URL", "https:// app.example.org"),
        ("ACTIVATION_URL", "activate/{uid}"),
        ("ACTIVATION_URL", "activate/{uid}/{token}/{token}"),
        ("PASSWORD_RESET_CONFIRM_URL", "reset/{uid}/{token}/{host}"),
        ("EMAIL_RESET_CONFIRM_URL", "reset {uid}/{token}"),
        ("SITE_NAME", "Example\nBcc: x@example.org"),
        ("MAIL_LANGUAGE", "de"),
        ("SMTP_TIMEOUT", "0"),
        ("SMTP_SECURITY", "ssl"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name} ")


LINKS = [
    ({}, "https://app.example.org/activate/U/T"),
    ({"APP_URL": "https://www.example.org/app/"}, "https://www.example.org/app/activate/U/T"),
    ({"ACTIVATION_URL": "/a/{uid}/{token}"}, "https://app.example.org/a/U/T"),
    ({"ACTIVATION_URL": "#/activate/{uid}/{token}"}, "https://app.example.org/#/activate/U/T"),
    ({"ACTIVATION_URL": "exampleapp://activate?uid={uid}&token={token}"}, "exampleapp://activate?uid=U&token=T"),
]


@pytest.mark.parametrize(("environ", "link"), LINKS)
def test_a_link_is_a_path_below_the_configured_url(environ: dict[str, str], link: str) -> None:
    links = settings(PUBLIC_URL="https://app.example.org", **environ).links
    assert links.link(MailKind.ACTIVATION, "U", "T") == link
