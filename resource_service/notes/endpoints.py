"""/api/notes/: create, read, list, export, change and delete notes.

Users read and change their own notes. Staff may also read the notes of others, but not change them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

from flask import Blueprint, Response, current_app, request, url_for

from chassis.clock import Clock
from chassis.openapi.problem_details import problem
from contract.problems import Refused
from resource_service.api_description import described
from resource_service.database import db
from resource_service.json_bodies import json_response, read_body, to_json
from resource_service.notes.api_models import (
    ALL_OWNERS,
    NewNote,
    NoteChanges,
    NotePageResponse,
    NoteQuery,
    NoteResponse,
)
from resource_service.notes.database_models import Note
from resource_service.notes.query_string import read_note_query
from resource_service.notes.store import (
    Selection,
    add_note,
    change_note,
    count_notes,
    find_note,
    iterate_batches,
    newest_notes,
    remove_note,
)
from sallyport_service.flask import current_identity, identity_required, require_roles

STAFF = "staff"
"""The role whose users may read the notes of every owner."""

note_endpoints = Blueprint("notes", __name__, url_prefix="/api/notes")


@note_endpoints.get("/")
@described(query=NoteQuery, returns={200: NotePageResponse}, errors=[problem("insufficient_scope")])
@identity_required
def list_notes() -> Response:
    """Return a page of notes, the newest first."""
    query = read_note_query(request.query_string)
    selection = _selection(query)
    count = count_notes(db.session(), selection)
    notes = newest_notes(db.session(), selection, offset=query.offset, limit=query.page_size)
    path = url_for(".list_notes")
    page = NotePageResponse(
        count=count,
        next=query.link(path, query.page + 1) if query.offset + query.page_size < count else None,
        previous=query.link(path, query.page - 1) if query.page > 1 else None,
        results=[NoteResponse.model_validate(note) for note in notes],
    )
    return json_response(page)


@note_endpoints.post("/")
@described(
    body=NewNote,
    returns={201: NoteResponse},
    headers={"Location": "/api/notes/0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11/"},
)
@identity_required
def create_note() -> Response:
    """Create a note. The Location header of the response is its path."""
    fields = read_body(NewNote).model_dump()
    note = add_note(db.session(), current_identity().subject, fields, _now())
    response = json_response(NoteResponse.model_validate(note), 201)
    response.headers["Location"] = url_for(".show_note", note_id=note.id)
    return response


@note_endpoints.get("/<uuid:note_id>/")
@described(returns={200: NoteResponse}, errors=[problem("not_found")])
@identity_required
def show_note(note_id: UUID) -> Response:
    """Return the note. 404 if it does not exist or the caller may not read it."""
    identity = current_identity()
    readable = Selection(owner=None if identity.has_role(STAFF) else identity.subject)
    return _note_response(find_note(db.session(), note_id, readable))


@note_endpoints.patch("/<uuid:note_id>/")
@described(body=NoteChanges, returns={200: NoteResponse}, errors=[problem("not_found")])
@identity_required
def edit_note(note_id: UUID) -> Response:
    """Change the note. 404 if the caller does not own it."""
    fields = read_body(NoteChanges).given_fields()
    return _note_response(change_note(db.session(), note_id, current_identity().subject, fields, _now()))


@note_endpoints.delete("/<uuid:note_id>/")
@described(returns={204: None}, errors=[problem("not_found")])
@identity_required
def delete_note(note_id: UUID) -> tuple[str, int]:
    """Delete the note. 404 if the caller does not own it."""
    if not remove_note(db.session(), note_id, current_identity().subject):
        raise Refused("not_found")
    return "", 204


@note_endpoints.get("/export")
@described(
    query=NoteQuery,
    returns={200: None},
    media_type="application/x-ndjson",
    text='{"id":"0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11","owner":"5c7e9b1d-3f5a-4c9e-8b0d-1f3a9f2c4e6a",'
    '"title":"Bread","body":"","created_at":"2026-11-23T19:08:00.000000Z",'
    '"updated_at":"2026-11-23T19:08:00.000000Z"}\n',
    errors=[problem("insufficient_scope")],
)
@identity_required
def export_notes() -> Response:
    """Return every selected note as NDJSON: one JSON object per line."""
    batches = iterate_batches(db.engine, _selection(read_note_query(request.query_string)))
    # The first batch is read before the status is sent, so that a database error is answered 503. After a later error
    # the connection is closed before the end of the chunked body, so that the client sees an incomplete export.
    first = next(batches, ())
    return Response(map(_ndjson, chain([first], batches)), content_type="application/x-ndjson")


def _selection(query: NoteQuery) -> Selection:
    subject = current_identity().subject
    if query.owner is None or query.owner == subject:
        return Selection(subject, query.q)
    require_roles(STAFF)
    return Selection(None if query.owner == ALL_OWNERS else query.owner, query.q)


def _now() -> datetime:
    clock: Clock = current_app.extensions["clock"]
    return datetime.fromtimestamp(clock(), UTC)


def _note_response(note: Note | None) -> Response:
    if note is None:
        raise Refused("not_found")
    return json_response(NoteResponse.model_validate(note))


def _ndjson(batch: Sequence[Note]) -> str:
    return "".join(f"{to_json(NoteResponse.model_validate(note))}\n" for note in batch)
