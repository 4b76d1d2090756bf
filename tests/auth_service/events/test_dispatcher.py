"""The dispatcher calls every subscriber, and a subscriber that fails affects neither the request nor the others."""

from collections.abc import Sequence
from uuid import uuid4

import pytest
from flask import Flask
from redis import Redis
from structlog.testing import capture_logs

from auth_service.events.account_events import EndReason, Event, LoginThrottled, SessionEnded, UserDeactivated
from auth_service.events.client import UNKNOWN_CLIENT
from auth_service.events.dispatcher import Dispatcher
from auth_service.sessions.blacklist import Blacklist
from auth_service.sessions.revocation_feed import RevocationFeed
from tests.auth_service.conftest import MakeApp
from tests.auth_service.forge import claims_of
from tests.auth_service.world import Person

USER = uuid4()
DEACTIVATED = UserDeactivated(1.0, USER, UNKNOWN_CLIENT)
ENDED = SessionEnded(
    1.0, USER, UNKNOWN_CLIENT, "sid", EndReason.USER_DEACTIVATED, expires_at=9.0, access_expires_at=5.0
)
THROTTLED = LoginThrottled(2.0, None, UNKNOWN_CLIENT, "hash")


def test_a_subscriber_gets_the_events_of_its_kind_in_one_call() -> None:
    ended: list[Sequence[SessionEnded]] = []
    every: list[Sequence[Event]] = []
    dispatcher = Dispatcher()
    dispatcher.subscribe(SessionEnded, ended.append)
    dispatcher.subscribe(Event, every.append)
    dispatcher.dispatch((DEACTIVATED, ENDED, ENDED))
    dispatcher.dispatch((THROTTLED,))
    dispatcher.dispatch(())
    assert ended == [[ENDED, ENDED]]
    assert every == [[DEACTIVATED, ENDED, ENDED], [THROTTLED]]


def test_an_error_of_a_subscriber_is_logged_and_the_others_are_called() -> None:
    def fail(_: Sequence[Event]) -> None:
        raise ValueError("broken")

    received: list[Sequence[Event]] = []
    dispatcher = Dispatcher()
    dispatcher.subscribe(Event, fail)
    dispatcher.subscribe(Event, received.append)
    with capture_logs() as logged:
        dispatcher.dispatch((ENDED, DEACTIVATED))
    assert received == [[ENDED, DEACTIVATED]]
    (line,) = logged
    assert line["event"] == "event_subscriber_failed"
    assert line["subscriber"].endswith("fail")
    assert line["events"] == ["SessionEnded", "UserDeactivated"]


def sid_of(person: Person) -> str:
    return str(claims_of(person.refresh)["sid"])


def test_a_log_out_succeeds_although_the_revocation_feed_fails(
    make_app: MakeApp, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is on the blacklist at once, and the revocation is published later."""
    add_revocations = RevocationFeed._add_revocations

    def fail(*_: object) -> None:
        raise ValueError("broken")

    app = make_app()
    person = Person(app.test_client())
    person.register()
    person.log_in()
    monkeypatch.setattr(RevocationFeed, "_add_revocations", fail)
    assert person.log_out().status_code == 200
    assert redis.get(f"blacklist:{sid_of(person)}") == "ended"
    monkeypatch.setattr(RevocationFeed, "_add_revocations", add_revocations)
    assert republish(app)
    assert redis.xlen("revocations") > 0


def republish(app: Flask) -> bool:
    """Run the republishing job once; return whether it published anything."""
    with app.app_context():
        return bool(app.extensions["sallyport-auth"].republishing.run_once())


def test_a_revocation_is_published_although_the_blacklist_fails(
    make_app: MakeApp, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(Blacklist, "add_ended_sessions", fail)
    person = Person(make_app().test_client())
    person.register()
    person.log_in()
    assert person.log_out().status_code == 200
    assert redis.xlen("revocations") == 1
    assert person.refresh_tokens().status_code == 401
