"""Staff see endpoints and deliveries of webhooks, and send messages again."""

from collections.abc import Iterator

import pytest
from flask import Flask

from auth_service.services import services
from tests.auth_service.conftest import MakeApp
from tests.auth_service.webhooks.conftest import endpoint_toml
from tests.auth_service.webhooks.receiver import SECRET, Receiver, running_receiver
from tests.auth_service.world import Person

PATH = "/auth/admin/webhooks/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver(Receiver()) as running:
        yield running


@pytest.fixture
def app(make_app: MakeApp, receiver: Receiver) -> Flask:
    return make_app(WEBHOOKS=endpoint_toml(receiver.url, events='["user.*"]'))


def send(app: Flask) -> None:
    with app.app_context():
        services().webhooks.sender.send_due()


def test_only_staff_may_see_and_replay(ann: Person) -> None:
    for method, path in (
        ("GET", ""),
        ("GET", "deliveries/"),
        ("GET", "messages/msg_1/"),
        ("POST", "messages/msg_1/replay/"),
        ("POST", "endpoints/crm/replay/?since=2027-01-01"),
        ("POST", "endpoints/crm/enable/"),
        ("POST", "endpoints/crm/test/"),
    ):
        assert ann.call(method, PATH + path).status_code == 403


def test_endpoints_are_listed_with_their_state_and_without_secrets(
    app: Flask, staff: Person, receiver: Receiver
) -> None:
    listed = staff.call("GET", PATH)
    assert listed.json
    assert [(each["name"], each["state"]) for each in listed.json] == [("crm", "active")]
    assert "/hooks" not in listed.text
    assert SECRET not in listed.text
    receiver.answers = [410]
    send(app)
    disabled = staff.call("GET", PATH).json
    assert disabled
    assert (disabled[0]["state"], disabled[0]["reason"]) == ("disabled", "the endpoint answered 410 Gone")
    enabled = staff.call("POST", f"{PATH}endpoints/crm/enable/").json
    assert enabled
    assert enabled["state"] == "active"
    assert staff.call("POST", f"{PATH}endpoints/crn/enable/").status_code == 404


def test_deliveries_are_listed_in_slices_with_filters(app: Flask, staff: Person) -> None:
    send(app)
    first = staff.call("GET", f"{PATH}deliveries/?page_size=1").json
    assert first
    assert first["results"][0]["type"] == "user.roles_changed"
    assert first["results"][0]["status"] == "delivered"
    second = staff.call("GET", first["next"]).json
    assert second
    assert (second["results"][0]["type"], second["next"]) == ("user.created", None)
    filtered = staff.call("GET", f"{PATH}deliveries/?endpoint=crm&status=delivered&since=2020-01-01&page_size=1").json
    assert filtered
    assert filtered["next"].startswith(
        f"{PATH}deliveries/?endpoint=crm&status=delivered&since=2020-01-01&page_size=1&"
    )
    following = staff.call("GET", filtered["next"]).json
    assert following
    assert following["results"] == second["results"]
    numbers = {"type=user.created": 1, "status=failed": 0, "endpoint=crm": 2, "since=2030-01-01": 0}
    for query, number in numbers.items():
        found = staff.call("GET", f"{PATH}deliveries/?{query}").json
        assert found
        assert len(found["results"]) == number
    for query in ("status=lost", "since=soon", "before=0", "before=x", f"before={2**63}"):
        assert staff.call("GET", f"{PATH}deliveries/?{query}").status_code == 400


def test_a_message_is_shown_and_replayed(app: Flask, staff: Person, receiver: Receiver) -> None:
    send(app)
    listed = staff.call("GET", f"{PATH}deliveries/?type=user.created").json
    assert listed
    message = listed["results"][0]["message_id"]
    shown = staff.call("GET", f"{PATH}messages/{message}/").json
    assert shown
    assert shown["body"]["data"]["email"] == staff.email
    replayed = staff.call("POST", f"{PATH}messages/{message}/replay/")
    assert (replayed.status_code, replayed.json) == (202, {"replayed": 1})
    receiver.ids.clear()
    send(app)
    assert receiver.ids == [message]
    for missing in ("msg_0", "x%00", "a" * 5_000):
        assert staff.call("GET", f"{PATH}messages/{missing}/").status_code == 404
        assert staff.call("POST", f"{PATH}messages/{missing}/replay/").status_code == 404


def test_failed_messages_since_a_time_are_replayed(app: Flask, staff: Person, receiver: Receiver) -> None:
    receiver.answers = [410]
    send(app)
    staff.call("POST", f"{PATH}endpoints/crm/enable/")
    path = f"{PATH}endpoints/crm/replay/"
    assert staff.call("POST", path).status_code == 400
    assert staff.call("POST", f"{path}?since=2027-01-01").json == {"replayed": 1}
    assert staff.call("POST", f"{path}?since=2027-01-01&status=delivered").json == {"replayed": 0}
    assert staff.call("POST", f"{PATH}endpoints/crn/replay/?since=2027-01-01").status_code == 404


def test_a_test_message_is_queued_and_its_result_is_in_the_log(app: Flask, staff: Person) -> None:
    queued = staff.call("POST", f"{PATH}endpoints/crm/test/")
    assert queued.status_code == 202
    assert queued.json
    assert queued.json["body"]["type"] == "webhook.test"
    send(app)
    shown = staff.call("GET", f"{PATH}messages/{queued.json['message_id']}/").json
    assert shown
    assert (shown["deliveries"][0]["status"], shown["deliveries"][0]["status_code"]) == ("delivered", 204)
