"""An operator lists endpoints and deliveries, and sends messages again."""

from collections.abc import Iterator

import pytest

from auth_service.webhooks.signature import secret_key
from tests.auth_service.cli.conftest import Run, RunJson
from tests.auth_service.webhooks.conftest import endpoint_toml
from tests.auth_service.webhooks.receiver import SECRET, Receiver, running_receiver
from tests.auth_service.world import PASSWORD


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver(Receiver()) as running:
        yield running


@pytest.fixture(autouse=True)
def configured(environ: dict[str, str], receiver: Receiver) -> None:
    environ["WEBHOOKS"] = endpoint_toml(receiver.url, events='["user.*"]')


def test_a_command_causes_webhooks_like_a_request(run: Run, run_json: RunJson) -> None:
    run("users", "create", "ann@example.org", typed=PASSWORD)
    (delivery,) = run_json("webhooks", "deliveries")
    assert (delivery["type"], delivery["endpoint"], delivery["status"]) == ("user.created", "crm", "pending")
    shown = run_json("webhooks", "show", delivery["message_id"])
    assert shown["body"]["data"]["actor"] == "operator"
    assert [each["endpoint"] for each in shown["deliveries"]] == ["crm"]
    table = run("webhooks", "deliveries", "--type", "user.created").stdout
    assert delivery["message_id"] in table
    assert run_json("webhooks", "deliveries", "--status", "failed") == []


def test_endpoints_are_listed_without_their_secrets_and_paths(run: Run, run_json: RunJson) -> None:
    (endpoint,) = run_json("webhooks", "list")
    assert (endpoint["name"], endpoint["state"], endpoint["secrets"]) == ("crm", "active", 1)
    assert "user.created" in endpoint["events"]
    assert "session.created" not in endpoint["events"]
    everything = run("webhooks", "list").stdout + str(endpoint)
    assert "/hooks" not in everything
    assert SECRET not in everything


def test_a_test_message_is_sent_at_once(run: Run, run_json: RunJson, receiver: Receiver) -> None:
    assert run_json("webhooks", "send-test", "crm")["accepted"] is True
    assert receiver.received[0]["type"] == "webhook.test"
    receiver.answers = [500]
    failed = run("webhooks", "send-test", "crm")
    assert failed.exit_code == 1
    assert "ENDPOINT: crm did not accept the message: HTTP 500" in failed.stderr
    unknown = run("webhooks", "send-test", "crn")
    assert "ENDPOINT: WEBHOOKS has no endpoint crn; it has: crm" in unknown.stderr
    assert run_json("webhooks", "deliveries") == []


def test_messages_are_replayed(run: Run, run_json: RunJson) -> None:
    run("users", "create", "ann@example.org", typed=PASSWORD)
    message = run_json("webhooks", "deliveries")[0]["message_id"]
    waiting = run("webhooks", "replay", message)
    assert waiting.exit_code == 1
    assert f"MESSAGE: {message} has no delivery that was sent or given up" in waiting.stderr
    assert run("webhooks", "replay").exit_code == 2
    assert run("webhooks", "replay", message, "--since", "2027-01-01").exit_code == 2
    assert run_json("webhooks", "replay", "--since", "2020-01-01", "--yes") == {"replayed": 0}
    assert "must be a date or a time" in run("webhooks", "replay", "--since", "soon", "--yes").stderr


def test_an_endpoint_is_enabled(run: Run) -> None:
    assert run("webhooks", "enable", "crm").stdout == "crm was not disabled\n"
    assert run("webhooks", "enable", "crn").exit_code == 1


def test_a_new_secret_is_printed(run: Run) -> None:
    assert len(secret_key(run("webhooks", "new-secret").stdout.strip())) == 32
