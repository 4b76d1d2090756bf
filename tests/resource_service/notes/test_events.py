"""/api/notes/events sends the changes of the caller's notes once and in order.

If a note is deleted before the next poll, only its deletion is sent.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from resource_service.__main__ import install_migrations
from resource_service.app import create_app
from resource_service.database import db
from resource_service.notes.changes import changes_after
from resource_service.notes.database_models import NoteChange
from resource_service.notes.events import NoteStreams
from sallyport_service import Identity
from tests.clocks import MovableClock
from tests.postgres import find_program, running_postgres
from tests.resource_service.callers import Caller
from tests.resource_service.conftest import settings_for

Event = tuple[str, str, Any]
"""Type, id and data of a server-sent event."""


class Listener:
    """A client with an open event stream."""

    def __init__(self, caller: Caller, query: str = "") -> None:
        self.response: TestResponse = caller.call("GET", f"/api/notes/events{query}", buffered=False)
        self._parts: Iterator[bytes] = self.response.iter_encoded()

    def next(self) -> str:
        """Return the next chunk."""
        return next(self._parts).decode()

    def events(self) -> list[Event]:
        """Return the events of the next chunk."""
        return [_event(block) for block in self.next().split("\n\n") if block]


def _event(block: str) -> Event:
    lines = dict(line.split(": ", 1) for line in block.splitlines())
    return lines["event"], lines["id"], json.loads(lines["data"])


@pytest.fixture(autouse=True)
def streams(app: Flask) -> NoteStreams:
    """Let streams poll without waiting, and return them."""
    streams: NoteStreams = app.extensions["note_streams"]
    streams.sleep = lambda _: None
    return streams


def listen(caller: Caller, last: str = "") -> Listener:
    """Return a listener that has read the first chunk. `last` is its Last-Event-ID."""
    caller.extra_headers = {"Last-Event-ID": last} if last else {}
    listener = Listener(caller)
    assert listener.response.status_code == 200
    assert listener.next().startswith("retry: ")
    caller.extra_headers = {}
    return listener


def test_the_changes_of_the_callers_notes_are_events(ada: Caller, bob: Caller) -> None:
    listener = listen(ada)
    bob.write("Bob's")
    note = ada.write("First")
    assert listener.events() == [("created", "1", note)]
    changed = ada.patch(note["id"], title="Second").get_json()
    deleted_at_once = ada.write("deleted at once")["id"]  # change 3, whose event is not sent
    ada.call("DELETE", f"/api/notes/{deleted_at_once}/")
    assert listener.events() == [("changed", "2", changed), ("deleted", "4", {"id": deleted_at_once})]
    ada.call("DELETE", f"/api/notes/{note['id']}/")
    assert listener.events() == [("deleted", "5", {"id": note["id"]})]


def test_a_note_that_was_created_and_deleted_between_two_polls_has_only_a_deleted_event(ada: Caller) -> None:
    listener = listen(ada)
    note = ada.write("short-lived")
    ada.call("DELETE", f"/api/notes/{note['id']}/")
    assert listener.events() == [("deleted", "2", {"id": note["id"]})]


def test_a_request_that_changes_nothing_causes_no_event(ada: Caller, bob: Caller) -> None:
    note = ada.write("Ada's")
    listener = listen(ada)
    ada.patch(note["id"])
    bob.patch(note["id"], title="Bob's")
    bob.call("DELETE", f"/api/notes/{note['id']}/")
    assert listener.next() == ":\n\n"


def test_the_headers_forbid_buffering_and_caching(ada: Caller) -> None:
    response = listen(ada).response
    assert response.content_type == "text/event-stream"
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-store", "no")


def test_a_client_that_reconnects_receives_the_missed_events_once(ada: Caller) -> None:
    notes = [ada.write(f"{number}") for number in range(5)]
    assert listen(ada, last="3").events() == [("created", "4", notes[3]), ("created", "5", notes[4])]


def test_the_last_event_id_may_be_a_query_parameter(ada: Caller) -> None:
    notes = [ada.write(f"{number}") for number in range(2)]
    listener = Listener(ada, "?last_event_id=1")
    assert listener.next().startswith("retry: ")
    assert listener.events() == [("created", "2", notes[1])]


def test_a_client_without_last_event_id_receives_only_later_events(ada: Caller) -> None:
    ada.write("before")
    listener = listen(ada)
    after = ada.write("after")
    assert listener.events() == [("created", "2", after)]


def test_the_first_chunk_contains_the_id_to_resume_from(ada: Caller) -> None:
    ada.write("before")
    assert "\nid: 1\n\n" in Listener(ada).next()


@pytest.mark.parametrize("event_id", ["", "x", "-1", "99", "²", "9" * 40])
def test_a_client_with_an_unknown_event_id_receives_only_later_events(ada: Caller, event_id: str) -> None:
    ada.write("before")
    listener = listen(ada, last=event_id.encode().decode("latin-1"))
    ada.write("after")
    assert [number for _, number, _ in listener.events()] == ["2"]


def test_a_client_that_missed_more_events_than_are_stored_receives_a_reset(
    app: Flask, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource_service.notes.changes.MAX_CHANGES", 5)
    for number in range(7):
        ada.write(f"{number}")
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(NoteChange)) == 5
    listener = listen(ada, last="1")
    assert listener.events() == [("reset", "2", {})]
    assert [number for _, number, _ in listener.events()] == ["3", "4", "5", "6", "7"]


def test_a_stream_without_events_sends_a_comment_every_fifteen_seconds(ada: Caller, streams: NoteStreams) -> None:
    slept: list[float] = []
    streams.sleep = slept.append
    listener = listen(ada)
    assert (listener.next(), sum(slept)) == (":\n\n", 15)
    assert (listener.next(), sum(slept)) == (":\n\n", 30)


def test_the_number_of_streams_is_limited_and_closing_one_admits_another(ada: Caller, app: Flask) -> None:
    default_of_resource_streams = 16
    listeners = [listen(ada) for _ in range(default_of_resource_streams)]
    refused = ada.get("/api/notes/events")
    assert (refused.status_code, refused.get_json()["code"]) == (503, "streams_exhausted")
    assert int(refused.headers["Retry-After"]) > 0
    listeners[0].response.close()
    listen(ada)


def test_a_process_that_stops_ends_its_streams(ada: Caller, streams: NoteStreams) -> None:
    listener = listen(ada)
    streams.is_serving = lambda: False
    with pytest.raises(StopIteration):
        listener.next()


def test_a_stream_needs_an_identity(app: Flask) -> None:
    assert app.test_client().get("/api/notes/events").status_code == 401


# --- several workers ------------------------------------------------------------------------------------------------

WRITERS, NOTES = 6, 15


@pytest.fixture(params=["sqlite", "postgresql"])
def database_urls(request: pytest.FixtureRequest, database: Path) -> Iterator[list[str]]:
    """The URL of one database, for each of two workers."""
    if request.param == "sqlite":
        yield [f"sqlite:///{database}"] * 2
        return
    if find_program("postgres") is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres() as server:
        yield [server.url] * 2


def test_a_reader_misses_no_change_of_concurrent_writers(database_urls: list[str], clock: MovableClock) -> None:
    """Changes become visible in the order of their numbers, with six writers at the same time."""
    writing_app, reading_app = (create_app(settings_for(url), clock=clock) for url in database_urls)
    install_migrations(writing_app)
    with writing_app.app_context():
        upgrade()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(_write, writing_app, clock) for _ in range(WRITERS)]
        numbers: list[int] = []
        with reading_app.app_context():
            while len(numbers) < WRITERS * NOTES:
                are_writers_done = all(writer.done() for writer in writers)
                numbers += [change.number for change in changes_after(db.engine, "ada-id", len(numbers))]
                assert numbers == list(range(1, len(numbers) + 1))
                assert not are_writers_done or len(numbers) == WRITERS * NOTES
            db.engine.dispose()
        assert [writer.result() for writer in writers] == [None] * WRITERS
    with writing_app.app_context():
        db.engine.dispose()


def _write(app: Flask, clock: MovableClock) -> None:
    caller = Caller(app.test_client(), clock, Identity("ada-id", "ada-session", "ada@example.org"))
    for number in range(NOTES):
        caller.write(f"{number}")
