"""Promises of every webhook outbox."""

import pytest

from auth_service.storage.stores import Stores
from auth_service.store_errors import StoreUnavailable
from auth_service.webhooks.messages import Message
from auth_service.webhooks.outbox import (
    MAX_DETAIL,
    AttemptResult,
    ClaimedDelivery,
    DeliveryFilter,
    DeliveryStatus,
    NewDelivery,
    WebhookOutbox,
)
from tests.auth_service.storage.conformance.conftest import NOW, THREADS, StoreWorld

MINUTE = 60.0
OK = AttemptResult(204)
FAILED = AttemptResult(500, "no")
EVERYTHING = DeliveryFilter()


@pytest.fixture
def outbox(world: StoreWorld) -> WebhookOutbox:
    return world.stores.webhooks


def add(outbox: WebhookOutbox, number: int = 1, endpoint: str = "crm", at: float = NOW) -> None:
    outbox.add(NewDelivery(Message(f"msg_{number}", "user.created", at, '{"a":1}'), endpoint))


def claim(outbox: WebhookOutbox, now: float = NOW, endpoint: str = "crm") -> ClaimedDelivery:
    claimed = outbox.claim(endpoint, now, now + MINUTE)
    assert claimed
    return claimed


def statuses(outbox: WebhookOutbox) -> list[tuple[str, str]]:
    return [(entry.message_id, entry.status.value) for entry in outbox.page(EVERYTHING, before=None, limit=99)]


def test_a_delivery_is_claimed_as_it_was_added_and_by_its_endpoint_only(outbox: WebhookOutbox) -> None:
    add(outbox)
    assert outbox.claim("billing", NOW, NOW + MINUTE) is None
    claimed = claim(outbox)
    assert (claimed.message_id, claimed.type, claimed.endpoint) == ("msg_1", "user.created", "crm")
    assert (claimed.body, claimed.created_at, claimed.attempts, claimed.due_at) == ('{"a":1}', NOW, 0, NOW + MINUTE)


def test_a_claimed_delivery_is_due_again_when_the_claim_ends(outbox: WebhookOutbox) -> None:
    add(outbox)
    first = claim(outbox)
    assert outbox.claim("crm", NOW + MINUTE - 1, NOW + 2 * MINUTE) is None
    assert claim(outbox, NOW + MINUTE).id == first.id


def test_the_delivery_that_has_been_due_longest_comes_first_and_equals_in_the_order_of_adding(
    outbox: WebhookOutbox,
) -> None:
    for number, at in ((1, NOW + 1), (2, NOW), (3, NOW), (4, NOW)):
        add(outbox, number, at=at)
    assert [claim(outbox, NOW + 9).message_id for _ in range(4)] == ["msg_2", "msg_3", "msg_4", "msg_1"]


def test_simultaneous_claims_get_different_deliveries(world: StoreWorld, outbox: WebhookOutbox) -> None:
    for number in range(THREADS):
        add(outbox, number)
    claimed = world.in_parallel(*[lambda: outbox.claim("crm", NOW, NOW + MINUTE)] * THREADS)
    ids = [delivery.id for delivery in claimed if delivery]
    assert len(ids) == len(set(ids))
    while (left := outbox.claim("crm", NOW, NOW + MINUTE)) is not None:
        ids.append(left.id)
    assert len(ids) == len(set(ids)) == THREADS


def test_a_success_stays_in_the_log_and_is_not_due(outbox: WebhookOutbox) -> None:
    add(outbox)
    outbox.record_success(claim(outbox), OK, NOW + 1)
    (entry,) = outbox.page(EVERYTHING, before=None, limit=9)
    assert (entry.status, entry.attempts, entry.status_code) == (DeliveryStatus.DELIVERED, 1, 204)
    assert (entry.due_at, entry.last_attempt_at, entry.body) == (None, NOW + 1, '{"a":1}')
    assert outbox.find(entry.id) == entry
    assert outbox.claim("crm", NOW + 99 * MINUTE, NOW + 100 * MINUTE) is None
    assert outbox.waiting(["crm"]) == 0


def test_a_failure_is_due_later_or_given_up(outbox: WebhookOutbox) -> None:
    add(outbox)
    assert outbox.record_failure(claim(outbox), AttemptResult(500, "x" * 9_999), NOW, NOW + 5) == NOW
    assert outbox.claim("crm", NOW + 4, NOW + MINUTE) is None
    again = claim(outbox, NOW + 5)
    assert again.attempts == 1
    assert outbox.record_failure(again, AttemptResult(None, "silence"), NOW + 6, None) == NOW
    (entry,) = outbox.page(EVERYTHING, before=None, limit=9)
    assert (entry.status, entry.due_at, entry.status_code, entry.detail) == (
        DeliveryStatus.FAILED,
        None,
        None,
        "silence",
    )
    assert len("x" * MAX_DETAIL) == MAX_DETAIL


def test_a_late_failure_does_not_change_what_another_process_has_claimed(outbox: WebhookOutbox) -> None:
    add(outbox)
    late = claim(outbox)
    other = claim(outbox, NOW + MINUTE)
    outbox.record_failure(late, FAILED, NOW + MINUTE, None)
    assert outbox.states() == []
    outbox.record_success(other, OK, NOW + MINUTE)
    assert statuses(outbox) == [("msg_1", "delivered")]


def test_a_late_success_counts_although_another_process_has_claimed_the_delivery(outbox: WebhookOutbox) -> None:
    add(outbox)
    late = claim(outbox)
    other = claim(outbox, NOW + MINUTE)
    outbox.record_success(late, OK, NOW + MINUTE)
    outbox.record_failure(other, FAILED, NOW + MINUTE, NOW + 2 * MINUTE)
    assert statuses(outbox) == [("msg_1", "delivered")]


def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled(outbox: WebhookOutbox) -> None:
    add(outbox)
    add(outbox, endpoint="billing")
    assert outbox.disable("crm", NOW, "410")
    assert not outbox.disable("crm", NOW + 1, "again")
    assert outbox.claim("crm", NOW, NOW + MINUTE) is None
    claim(outbox, endpoint="billing")
    (state,) = outbox.states()
    assert (state.name, state.disabled_at, state.reason) == ("crm", NOW, "410")
    assert outbox.enable("crm")
    assert not outbox.enable("crm")
    claim(outbox)


def test_a_success_ends_the_failing_but_not_the_disabling_of_an_endpoint(outbox: WebhookOutbox) -> None:
    for number in range(3):
        add(outbox, number)
    outbox.record_failure(claim(outbox), FAILED, NOW, None)
    assert [state.failing_since for state in outbox.states()] == [NOW]
    outbox.record_success(claim(outbox), OK, NOW)
    assert outbox.states() == []
    under_way = claim(outbox)
    outbox.disable("crm", NOW, "an operator")
    outbox.record_success(under_way, OK, NOW)
    assert [state.name for state in outbox.states()] == ["crm"]


def test_a_replay_makes_finished_deliveries_due_as_if_they_were_new(outbox: WebhookOutbox) -> None:
    for number in range(4):
        add(outbox, number, at=NOW + number)
    outbox.record_success(claim(outbox, NOW + 9), OK, NOW)
    for _ in range(2):
        outbox.record_failure(claim(outbox, NOW + 9), FAILED, NOW, None)
    failed = DeliveryFilter("crm", status=DeliveryStatus.FAILED, since=NOW + 2)
    assert outbox.replay_all(failed, NOW + 99) == 1
    assert outbox.replay_all(failed, NOW + 99) == 0
    oldest = outbox.page(DeliveryFilter(message_id="msg_0"), before=None, limit=9)[0]
    assert outbox.replay(oldest.id, NOW + 98)
    assert not outbox.replay(oldest.id, NOW + 98)
    due = [claim(outbox, NOW + 100) for _ in range(3)]
    assert [delivery.message_id for delivery in due] == ["msg_3", "msg_0", "msg_2"]
    assert {delivery.attempts for delivery in due} == {0}


def test_the_log_is_listed_from_the_newest_with_filters(outbox: WebhookOutbox) -> None:
    for number in range(5):
        add(outbox, number, "crm" if number % 2 else "billing", at=NOW + number)
    newest = outbox.page(EVERYTHING, before=None, limit=2)
    assert [entry.message_id for entry in newest] == ["msg_4", "msg_3"]
    assert [entry.message_id for entry in outbox.page(EVERYTHING, before=newest[-1].id, limit=9)] == [
        "msg_2",
        "msg_1",
        "msg_0",
    ]
    assert len(outbox.page(DeliveryFilter("crm"), before=None, limit=9)) == 2
    assert len(outbox.page(DeliveryFilter(type="user.deleted"), before=None, limit=9)) == 0
    assert len(outbox.page(DeliveryFilter(since=NOW + 3), before=None, limit=9)) == 2


def test_the_waiting_are_counted_by_endpoint(outbox: WebhookOutbox) -> None:
    add(outbox, 1, at=NOW - 5)
    add(outbox, 2, "removed", at=NOW - 9)
    assert (outbox.waiting(["crm", "billing"]), outbox.oldest_at(["crm", "billing"])) == (1, NOW - 5)
    assert (outbox.waiting([]), outbox.oldest_at([])) == (0, None)


def test_old_deliveries_are_deleted_in_batches(outbox: WebhookOutbox) -> None:
    for number in range(3):
        add(outbox, number, at=NOW - number)
    assert outbox.prune(NOW, 1) == 1
    assert outbox.prune(NOW, 9) == 1
    assert [message for message, _ in statuses(outbox)] == ["msg_0"]


def test_an_unreachable_database_is_reported(unreachable: Stores) -> None:
    outbox = unreachable.webhooks
    delivery = ClaimedDelivery(1, "msg_1", "user.created", "crm", "{}", NOW, 0, NOW)
    calls = (
        lambda: add(outbox),
        lambda: outbox.claim("crm", NOW, NOW),
        lambda: outbox.record_success(delivery, OK, NOW),
        lambda: outbox.record_failure(delivery, FAILED, NOW, None),
        lambda: outbox.disable("crm", NOW, ""),
        lambda: outbox.enable("crm"),
        outbox.states,
        lambda: outbox.find(1),
        lambda: outbox.page(EVERYTHING, before=None, limit=1),
        lambda: outbox.replay(1, NOW),
        lambda: outbox.replay_all(EVERYTHING, NOW),
        lambda: outbox.waiting(["crm"]),
        lambda: outbox.oldest_at(["crm"]),
        lambda: outbox.prune(NOW, 1),
    )
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()
