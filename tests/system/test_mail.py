"""Mails of the stack of `make run`, which keeps them as files."""

import email
import email.policy
import re
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.auth_service.running_service import wait_until
from tests.system.support.running_edge import BEHIND_EDGE
from tests.system.support.running_stack import RunningStack

NEW_PASSWORD = "correct-horse-battery-7"


def mails_to(stack: RunningStack, address: str) -> list[Path]:
    """Return the files of the mails to `address`."""
    return [file for file in stack.data_dir.glob("mail/*.eml") if f"\nTo: {address}\n" in file.read_text()]


def link_in(file: Path) -> str:
    """Return the link of a mail."""
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    assert body
    found = re.search(r"^https?://\S+/\S+/\S+$", body.get_content(), re.MULTILINE)
    assert found
    return found[0]


@pytest.mark.skipif(BEHIND_EDGE, reason="the links name the port of the gateway, PUBLIC_URL of `make run`")
def test_a_forgotten_password_is_reset_by_the_link_in_a_mail(stack: RunningStack) -> None:
    """The link begins with the gateway's URL and works once; the output of the stack does not contain its token."""
    account = stack.register()
    headers = {"Accept-Language": "fr", "Host": "evil.example"}
    requested = stack.send("POST", "/auth/users/reset_password/", json={"email": account.email}, headers=headers)
    assert requested.status_code == 204
    wait_until(lambda: mails_to(stack, account.email))
    (file,) = mails_to(stack, account.email)
    assert "Content-Language: fr\n" in file.read_text()
    page, _, query = link_in(file).partition("?")
    assert page == f"http://localhost:{stack.url.rpartition(':')[2]}/auth/password/reset/confirm/"
    (uid,), (token,) = (parse_qs(query)[name] for name in ("uid", "token"))
    confirmation = {"uid": uid, "token": token, "new_password": NEW_PASSWORD}
    answers = [stack.send("POST", "/auth/users/reset_password_confirm/", json=confirmation) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 400]
    assert answers[1].json() == {"token": ["Invalid token for given user."]}
    assert stack.login(replace(account, password=NEW_PASSWORD)).access
    wait_until(lambda: len(mails_to(stack, account.email)) == 2)
    assert token not in stack.output()
    assert account.email not in stack.output()


def test_an_unknown_address_gets_the_same_response_and_no_mail(stack: RunningStack) -> None:
    requested = stack.send("POST", "/auth/users/reset_password/", json={"email": "nobody@example.org"})
    assert (requested.status_code, requested.content) == (204, b"")
    wait_until(lambda: '"event": "mail_dropped"' in stack.output())
    assert not mails_to(stack, "nobody@example.org")
