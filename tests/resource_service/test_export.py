"""The export: every note, a JSON object a line, in memory that does not grow with their number."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import delete, insert

from resource_service.database_models import Note, db
from resource_service.notes import BATCH_SIZE, Selection, iterate_batches
from tests.clocks import MovableClock
from tests.resource_service.callers import Caller

MIB = 2**20


def store(app: Flask, count: int, *, body: str = "", owner: str = "ada-id") -> None:
    """Puts `count` notes there, two of each moment."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with app.app_context():
        for first in range(0, count, 1000):
            moments = [start + timedelta(seconds=number // 2) for number in range(first, min(first + 1000, count))]
            rows = [
                {"id": uuid4(), "owner": owner, "title": "t", "body": body, "created_at": at, "updated_at": at}
                for at in moments
            ]
            db.session.execute(insert(Note), rows)
        db.session.commit()


def test_an_export_is_the_whole_list_newest_first(ada: Caller, bob: Caller, clock: MovableClock) -> None:
    for number in range(3):
        ada.write(f"{number}", body="two\nlines")
        clock.move(1)
    bob.write("Bob's")
    answer = ada.get("/api/notes/export")
    assert (answer.status_code, answer.content_type) == (200, "application/x-ndjson")
    exported = [json.loads(line) for line in answer.text.splitlines()]
    assert exported == ada.get("/api/notes/").get_json()["results"]


def test_an_export_of_nothing_is_empty(ada: Caller) -> None:
    answer = ada.get("/api/notes/export")
    assert (answer.status_code, answer.data) == (200, b"")


def test_a_search_and_a_staff_members_owner_narrow_an_export(ada: Caller, bob: Caller, staff: Caller) -> None:
    ada.write("Bread")
    ada.write("Tea")
    bob.write("Bread")
    lines = staff.get("/api/notes/export?owner=*&q=bread").text.splitlines()
    assert sorted(json.loads(line)["owner"] for line in lines) == ["ada-id", "bob-id"]
    assert len(ada.get("/api/notes/export?q=bread").text.splitlines()) == 1


@pytest.mark.parametrize("count", [BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 5 * BATCH_SIZE])
def test_batches_lose_and_repeat_no_note_even_between_two_of_one_moment(app: Flask, ada: Caller, count: int) -> None:
    store(app, count)
    exported = [json.loads(line) for line in ada.get("/api/notes/export").text.splitlines()]
    assert len({note["id"] for note in exported}) == len(exported) == count
    assert [note["created_at"] for note in exported] == sorted(
        (note["created_at"] for note in exported), reverse=True
    )


def test_memory_stays_flat_however_many_notes_there_are(app: Flask, ada: Caller) -> None:
    """50 MB of notes pass through 8 MiB."""
    store(app, 5_000, body="b" * 10_000)
    list(ada.call("GET", "/api/notes/export?q=nothing-like-this").response)
    tracemalloc.start()
    try:
        answer = ada.call("GET", "/api/notes/export", buffered=False)
        size = sum(len(chunk) for chunk in answer.response)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 50_000_000
    assert peak < 8 * MIB


def test_a_slow_reader_holds_no_connection_and_no_lock(app: Flask, ada: Caller) -> None:
    """Another caller writes between two batches, and what was deleted meanwhile is simply not there."""
    store(app, 3 * BATCH_SIZE)
    with app.app_context():
        batches = iterate_batches(db.engine, Selection("ada-id"))
        next(batches)
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # every queueing pool has it
        ada.write("meanwhile")
        db.session.execute(delete(Note).where(Note.title == "t"))
        db.session.commit()
        assert list(batches) == []
