"""/api/notes/export: every note, one JSON object per line, in constant memory."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import delete, insert

from resource_service.database import db
from resource_service.notes.database_models import Note
from resource_service.notes.store import BATCH_SIZE, Selection, iterate_batches
from tests.clocks import MovableClock
from tests.resource_service.callers import Caller

MIB = 2**20


def store(app: Flask, count: int, *, body: str = "", owner: str = "ada-id") -> None:
    """Store `count` notes; two notes each have the same time."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with app.app_context():
        for first in range(0, count, 1000):
            times = [start + timedelta(seconds=number // 2) for number in range(first, min(first + 1000, count))]
            rows = [
                {"id": uuid4(), "owner": owner, "title": "t", "body": body, "created_at": at, "updated_at": at}
                for at in times
            ]
            db.session.execute(insert(Note), rows)
        db.session.commit()


def test_an_export_has_every_note_newest_first(ada: Caller, bob: Caller, clock: MovableClock) -> None:
    for number in range(3):
        ada.write(f"{number}", body="two\nlines")
        clock.move(1)
    bob.write("Bob's")
    response = ada.get("/api/notes/export")
    assert (response.status_code, response.content_type) == (200, "application/x-ndjson")
    exported = [json.loads(line) for line in response.text.splitlines()]
    assert exported == ada.get("/api/notes/").get_json()["results"]


def test_a_unicode_line_separator_does_not_split_a_line(ada: Caller) -> None:
    note = ada.write("Bread", body="a\u2028b\u0085c")
    lines = ada.get("/api/notes/export").text.splitlines()
    assert [json.loads(line) for line in lines] == [note]


def test_an_export_of_nothing_is_empty(ada: Caller) -> None:
    response = ada.get("/api/notes/export")
    assert (response.status_code, response.data) == (200, b"")


def test_a_search_and_an_owner_filter_an_export(ada: Caller, bob: Caller, staff: Caller) -> None:
    ada.write("Bread")
    ada.write("Tea")
    bob.write("Bread")
    lines = staff.get("/api/notes/export?owner=*&q=bread").text.splitlines()
    assert sorted(json.loads(line)["owner"] for line in lines) == ["ada-id", "bob-id"]
    assert len(ada.get("/api/notes/export?q=bread").text.splitlines()) == 1


@pytest.mark.parametrize("count", [BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 5 * BATCH_SIZE])
def test_batches_neither_lose_nor_repeat_notes_of_the_same_time(app: Flask, ada: Caller, count: int) -> None:
    store(app, count)
    exported = [json.loads(line) for line in ada.get("/api/notes/export").text.splitlines()]
    assert len({note["id"] for note in exported}) == len(exported) == count
    assert [note["created_at"] for note in exported] == sorted(
        (note["created_at"] for note in exported), reverse=True
    )


def test_memory_use_does_not_grow_with_the_number_of_notes(app: Flask, ada: Caller) -> None:
    """An export of 50 MB needs less than 8 MiB."""
    store(app, 5_000, body="b" * 10_000)
    list(ada.call("GET", "/api/notes/export?q=nothing-like-this").response)
    tracemalloc.start()
    try:
        response = ada.call("GET", "/api/notes/export", buffered=False)
        size = sum(len(chunk) for chunk in response.response)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 50_000_000
    assert peak < 8 * MIB


def test_an_export_holds_no_connection_and_no_lock_between_two_batches(app: Flask, ada: Caller) -> None:
    """So a slow client blocks no other request. Notes that are deleted during the export are missing from it."""
    store(app, 3 * BATCH_SIZE)
    with app.app_context():
        batches = iterate_batches(db.engine, Selection("ada-id"))
        next(batches)
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # QueuePool has it, the type Pool does not
        ada.write("new")  # fails if the export holds a lock
        db.session.execute(delete(Note).where(Note.title == "t"))
        db.session.commit()
        assert list(batches) == []
