"""Answers /api/notes/: parses, asks notes.py, renders.

Everybody has their own notes; staff may read, never change, those of others.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

from flask import Blueprint, Response, current_app, jsonify, request, url_for

from chassis.clock import Clock
from contract.problems import Refused
from resource_service.identity import current_identity, identity_required, require_roles
from resource_service.models import Note, db
from resource_service.note_document import rendered
from resource_service.note_fields import read_changes, read_new_note
from resource_service.note_query import EVERYBODY, NoteQuery, read_note_query
from resource_service.notes import (
    Selection,
    add_note,
    change_note,
    count_notes,
    find_note,
    in_batches,
    newest_notes,
    remove_note,
)

STAFF = "staff"

note_endpoints = Blueprint("notes", __name__, url_prefix="/api/notes")


@note_endpoints.get("/")
@identity_required
def list_notes() -> Response:
    query = read_note_query(request.query_string)
    selection = _selection(query)
    count = count_notes(db.session(), selection)
    notes = newest_notes(db.session(), selection, offset=query.offset, limit=query.page_size)
    path = url_for(".list_notes")
    return jsonify(
        count=count,
        next=query.link(path, query.page + 1) if query.offset + query.page_size < count else None,
        previous=query.link(path, query.page - 1) if query.page > 1 else None,
        results=[rendered(note) for note in notes],
    )


@note_endpoints.post("/")
@identity_required
def create_note() -> tuple[Response, int, dict[str, str]]:
    note = add_note(db.session(), current_identity().subject, read_new_note(_json_body()), _now())
    return jsonify(rendered(note)), 201, {"Location": url_for(".show_note", note_id=note.id)}


@note_endpoints.get("/<uuid:note_id>/")
@identity_required
def show_note(note_id: UUID) -> Response:
    identity = current_identity()
    readable = Selection(owner=None if identity.has_role(STAFF) else identity.subject)
    return jsonify(rendered(_found(find_note(db.session(), note_id, readable))))


@note_endpoints.patch("/<uuid:note_id>/")
@identity_required
def edit_note(note_id: UUID) -> Response:
    changes = read_changes(_json_body())
    return jsonify(rendered(_found(change_note(db.session(), note_id, current_identity().subject, changes, _now()))))


@note_endpoints.delete("/<uuid:note_id>/")
@identity_required
def delete_note(note_id: UUID) -> tuple[str, int]:
    if not remove_note(db.session(), note_id, current_identity().subject):
        raise Refused("not_found")
    return "", 204


@note_endpoints.get("/export")
@identity_required
def export_notes() -> Response:
    """Every note the query selects, a JSON object a line."""
    batches = in_batches(db.engine, _selection(read_note_query(request.query_string)))
    # The first batch is read before the status goes out, so that a database that is down is a 503 and not half an
    # answer. Should it go down later, the connection is cut: a short answer never looks whole.
    first = next(batches, ())
    return Response(map(_lines, chain([first], batches)), content_type="application/x-ndjson")


def _selection(query: NoteQuery) -> Selection:
    subject = current_identity().subject
    if query.owner is None or query.owner == subject:
        return Selection(subject, query.search)
    require_roles(STAFF)
    return Selection(None if query.owner == EVERYBODY else query.owner, query.search)


def _json_body() -> bytes:
    if not request.is_json:
        raise Refused("unsupported_media_type", "Send application/json.")
    return request.get_data()


def _now() -> datetime:
    clock: Clock = current_app.extensions["clock"]
    return datetime.fromtimestamp(clock(), UTC)


def _found(note: Note | None) -> Note:
    if note is None:
        raise Refused("not_found")
    return note


def _lines(batch: Sequence[Note]) -> str:
    return "".join(f"{json.dumps(rendered(note))}\n" for note in batch)
