"""The links in mails work: a user registers, verifies the address, resets the password and changes the address."""

import re
import time
from email import message_from_bytes, policy

from tests.system.support.running_stack import PASSWORD, Account, RunningStack

EMAIL, MOVED, CHOSEN = "linked@example.com", "moved@example.com", "another Long-ish passphrase 8"
LINK = re.compile(r"http\S+\?uid=([\w-]{48})&token=([0-9a-z]+-[\w-]{43})")


def link_of(stack: RunningStack, kind: str, seconds: float = 20.0) -> dict[str, str]:
    """Wait until the mail of this kind is in the mail folder, and return the uid and the token of its link."""
    deadline = time.monotonic() + seconds
    while True:
        found = sorted((stack.data_dir / "mail").glob(f"*-{kind}-*.eml"))
        files = [file for file in found if f"To: {EMAIL}" in file.read_text()]
        if files:
            break
        assert time.monotonic() < deadline, f"no {kind} mail:\n{stack.output()}"
        time.sleep(0.1)
    body = message_from_bytes(files[-1].read_bytes(), policy=policy.default).get_body(("plain",))
    assert body is not None
    link = LINK.search(body.get_content())
    assert link, body.get_content()
    return {"uid": link[1], "token": link[2]}


def test_each_link_does_what_its_mail_promises(activation_stack: RunningStack) -> None:
    stack = activation_stack

    def post(path: str, access: str = "", **members: str) -> int:
        return stack.send("POST", f"/auth/users/{path}", access, json=members).status_code

    def log_in(email: str, password: str) -> int:
        return stack.send("POST", "/auth/jwt/create/", json={"email": email, "password": password}).status_code

    assert post("", email=EMAIL, password=PASSWORD) == 201
    assert log_in(EMAIL, PASSWORD) == 401
    link = link_of(stack, "activation")
    assert post("activation/", **link) == 204
    tokens = stack.login(Account("", EMAIL, PASSWORD))

    assert post("reset_password/", email=EMAIL) == 204
    link = link_of(stack, "password_reset")
    assert post("reset_password_confirm/", **link, new_password=CHOSEN) == 204
    assert post("reset_password_confirm/", **link, new_password=PASSWORD) == 400
    assert stack.send("GET", "/auth/users/me/", tokens.access).status_code == 401
    assert (log_in(EMAIL, PASSWORD), log_in(EMAIL, CHOSEN)) == (401, 200)

    assert post("reset_email/", email=EMAIL) == 204
    link = link_of(stack, "email_reset")
    assert post("reset_email_confirm/", **link, new_email=MOVED) == 204
    assert (log_in(EMAIL, CHOSEN), log_in(MOVED, CHOSEN)) == (401, 200)
    assert link["token"] not in stack.output()
