"""Promises of every mail outbox."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select

from auth_service.mail.outbox import MAX_ACCEPT_LANGUAGE, MailKind, MailOutbox, NewMail, QueuedMail
from auth_service.storage.mail_outbox import add_mail
from auth_service.storage.models import MailRow, db
from auth_service.storage.stores import Stores
from auth_service.store_errors import StoreUnavailable
from tests.auth_service.storage.conformance.conftest import NOW, THREADS, StoreWorld

RESET = NewMail(MailKind.PASSWORD_RESET, "ann@example.org", "fr-CH, fr;q=0.9")
MINUTE = 60.0


@pytest.fixture
def outbox(world: StoreWorld) -> MailOutbox:
    return world.stores.outbox


def claim(outbox: MailOutbox, now: float = NOW) -> QueuedMail:
    claimed = outbox.claim(now, now + MINUTE)
    assert claimed
    return claimed


def test_a_mail_is_claimed_as_it_was_added(outbox: MailOutbox) -> None:
    outbox.add(NewMail(MailKind.EMAIL_CHANGED, "ann@example.org", "fr", {"new_email": "a@example.com"}), NOW)
    mail = claim(outbox)
    assert (mail.kind, mail.email, mail.accept_language) == (MailKind.EMAIL_CHANGED, "ann@example.org", "fr")
    assert (mail.context, mail.created_at, mail.attempts) == ({"new_email": "a@example.com"}, NOW, 0)
    assert mail.due_at == NOW + MINUTE


def test_any_address_and_any_header_can_be_added(outbox: MailOutbox) -> None:
    outbox.add(NewMail(MailKind.PASSWORD_RESET, "x" * 5_000, "fr," * 5_000), NOW)
    mail = claim(outbox)
    assert mail.email == "x" * 5_000
    assert len(mail.accept_language) == MAX_ACCEPT_LANGUAGE


def test_a_claimed_mail_is_due_again_when_the_claim_ends(outbox: MailOutbox) -> None:
    """So a mail of a process that died is sent by another one."""
    outbox.add(RESET, NOW)
    first = claim(outbox)
    assert outbox.claim(NOW + MINUTE - 1, NOW + 2 * MINUTE) is None
    again = claim(outbox, NOW + MINUTE)
    assert again.id == first.id
    assert again.attempts == 0


def test_the_mail_that_has_been_due_longest_comes_first(outbox: MailOutbox) -> None:
    for number in (2, 0, 1):
        outbox.add(NewMail(MailKind.CONFIRMATION, f"{number}@example.org"), NOW + number)
    assert [claim(outbox, NOW + 9).email[0] for _ in range(3)] == ["0", "1", "2"]
    assert outbox.claim(NOW + 9, NOW + MINUTE) is None


def test_a_removed_mail_is_gone(outbox: MailOutbox) -> None:
    outbox.add(RESET, NOW)
    outbox.remove(claim(outbox))
    assert outbox.waiting() == 0
    assert outbox.claim(NOW + 99 * MINUTE, NOW + 100 * MINUTE) is None


def test_a_postponed_mail_counts_its_attempts_and_a_released_one_does_not(outbox: MailOutbox) -> None:
    outbox.add(RESET, NOW)
    outbox.postpone(claim(outbox), NOW + 5)
    assert outbox.claim(NOW + 4, NOW + MINUTE) is None
    second = claim(outbox, NOW + 5)
    assert second.attempts == 1
    outbox.release(second, NOW + 6)
    assert claim(outbox, NOW + 6).attempts == 1


CHANGES: dict[str, Callable[[MailOutbox, QueuedMail], None]] = {
    "postpone": lambda outbox, mail: outbox.postpone(mail, NOW),
    "release": lambda outbox, mail: outbox.release(mail, NOW),
    "fail": lambda outbox, mail: outbox.fail(mail, NOW),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_claim_that_has_ended_changes_nothing(outbox: MailOutbox, change: str) -> None:
    outbox.add(RESET, NOW)
    late = claim(outbox)
    current = claim(outbox, NOW + MINUTE)
    CHANGES[change](outbox, late)
    assert outbox.claim(NOW + MINUTE, NOW + 2 * MINUTE) is None
    assert outbox.waiting() == 1
    outbox.postpone(current, NOW + 3 * MINUTE)
    assert claim(outbox, NOW + 3 * MINUTE).attempts == 1


def test_a_failed_mail_is_kept_for_a_while_and_not_sent(outbox: MailOutbox) -> None:
    for number in range(3):
        outbox.add(RESET, NOW)
        outbox.fail(claim(outbox), NOW + number)
    assert outbox.waiting() == 0
    assert outbox.claim(NOW + 99 * MINUTE, NOW + 100 * MINUTE) is None
    assert [outbox.prune_failed(NOW + 2, 1) for _ in range(3)] == [1, 1, 0]
    assert len(list(db.session.scalars(select(MailRow)))) == 1


def test_processes_that_claim_at_once_get_different_mails(world: StoreWorld) -> None:
    for number in range(THREADS):
        world.stores.outbox.add(NewMail(MailKind.CONFIRMATION, f"{number}@example.org"), NOW)

    def claim_until_none_is_due() -> list[str]:
        claimed: list[str] = []
        while mail := world.stores.outbox.claim(NOW, NOW + MINUTE):
            claimed.append(mail.email)
        return claimed

    results = world.in_parallel(*[claim_until_none_is_due] * THREADS)
    assert sorted(email for claimed in results for email in claimed) == sorted(
        f"{number}@example.org" for number in range(THREADS)
    )


def test_a_mail_is_added_in_the_transaction_of_the_change_that_it_is_about(world: StoreWorld) -> None:
    def change(connection: Connection, *, fails: bool) -> None:
        with connection.begin():
            add_mail(RESET, NOW, connection)
            if fails:
                raise ValueError("the change fails")

    with db.engine.connect() as connection:
        with pytest.raises(ValueError, match="the change fails"):
            change(connection, fails=True)
        assert world.stores.outbox.waiting() == 0
        change(connection, fails=False)
    assert world.stores.outbox.waiting() == 1


CALLS: dict[str, Callable[[Stores], object]] = {
    "add": lambda stores: stores.outbox.add(RESET, NOW),
    "claim": lambda stores: stores.outbox.claim(NOW, NOW),
    "count": lambda stores: stores.outbox.waiting(),
    "age": lambda stores: stores.outbox.oldest_at(),
    "prune": lambda stores: stores.outbox.prune_failed(NOW, 1),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_unreachable_database_raises_store_unavailable(unreachable: Stores, call: str) -> None:
    with pytest.raises(StoreUnavailable):
        CALLS[call](unreachable)
