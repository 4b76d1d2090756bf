"""The receiver of docs/webhooks.md verifies what the service signs, once each, and refuses the rest."""

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from auth_service.webhooks.endpoints import new_test_delivery
from auth_service.webhooks.messages import MessageType
from auth_service.webhooks.signature import new_secret, secret_key, signed_headers
from tests.docs.code_blocks import ROOT

PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECRET = new_secret()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(PAGE.split("<!-- receiver.py -->\n```python\n")[1].split("```")[0], names)
    app = names["app"]
    assert isinstance(app, Flask)
    return app.test_client()


def post(client: FlaskClient, body: str, now: float, secret: str = SECRET, message_id: str = "msg_1") -> int:
    headers = signed_headers(message_id, body.encode(), [secret_key(new_secret()), secret_key(secret)], now)
    return client.post("/hooks/sallyport", data=body, headers=headers).status_code


def test_the_receiver_accepts_a_message_and_prints_it_once(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    message = new_test_delivery("crm", time.time()).message
    body = message.body.replace('"data":{', '"data":{"user_id":"ann",')
    assert [post(client, body, time.time()) for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out == "webhook.test ann\n"


def test_the_receiver_refuses_a_forged_and_an_old_message(client: FlaskClient) -> None:
    assert post(client, "{}", time.time(), new_secret()) == 401
    assert post(client, "{}", time.time() - 600) == 401
    assert client.post("/hooks/sallyport", data="{}").status_code == 401


def test_the_page_lists_every_type() -> None:
    table = PAGE.split("| type | when |")[1].split("\n\n")[0]
    for message_type in MessageType:
        assert f"`{message_type}`" in table, f"docs/webhooks.md: add a row for {message_type}"
