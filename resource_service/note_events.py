"""/api/notes/events: the changes of the caller's notes as server-sent events.

| event | data |
|---|---|
| `created`, `changed` | the note as it is now |
| `deleted` | `{"id": ...}` |
| `reset` | `{}`: the client missed more changes than are stored, so it must read the list again |

The id of an event is the number of its change. A client that reconnects with `Last-Event-ID` (or `?last_event_id=`,
if it cannot send headers) misses nothing. Each stream polls the database once a second, so it also sees changes by
other workers. Each stream occupies a thread, so RESOURCE_STREAMS limits their number. Other requests have their own
threads.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from selectors import EVENT_READ, DefaultSelector
from threading import BoundedSemaphore
from typing import Any

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel

from contract.problems import Refused, jittered_retry_after
from resource_service.api_models import DeletedNote, NoteResponse
from resource_service.database_models import db
from resource_service.identity import current_identity, identity_required
from resource_service.json_bodies import to_json
from resource_service.note_changes import DELETED, Change, changes_after, newest_number

POLL_INTERVAL = 1.0
"""Seconds."""
HEARTBEAT_POLLS = 15
"""Polls between two comments, which keep the connection open."""
RETRY_MS = 2_000
"""Milliseconds after which a client reconnects."""

Wait = Callable[[float], bool]
"""Wait for some seconds. Return whether the stream may continue."""


note_events = Blueprint("note_events", __name__, url_prefix="/api/notes")


class NoteStreams:
    """Limits the number of streams in one process to `limit`.

    `is_serving` returns False once the process stops. `sleep` waits for seconds on servers other than gunicorn.
    """

    def __init__(self, limit: int) -> None:
        self._slots = BoundedSemaphore(limit)
        self.is_serving: Callable[[], bool] = lambda: True
        self.sleep: Callable[[float], None] = time.sleep

    def acquire(self) -> None:
        """Reserve a stream. Raises Refused(503) if all are in use."""
        if not self._slots.acquire(blocking=False):
            raise Refused("streams_exhausted", retry_after=jittered_retry_after(5))

    def release(self) -> None:
        """Free a stream."""
        self._slots.release()


@note_events.get("/events")
@identity_required
def stream_events() -> Response:
    """Stream the changes of the caller's notes. 503 if all streams of the process are in use."""
    streams: NoteStreams = current_app.extensions["note_streams"]
    engine, owner = db.engine, current_identity().subject
    last_event_id = request.headers.get("Last-Event-ID") or request.args.get("last_event_id", "")
    last = _last_seen(last_event_id, newest_number(engine, owner))
    streams.acquire()
    events = event_lines(lambda number: changes_after(engine, owner, number), last, _wait(request.environ, streams))
    response = Response(events, content_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    response.call_on_close(streams.release)
    return response


def event_lines(read: Callable[[int], Sequence[Change]], last: int, wait: Wait) -> Iterator[str]:
    """Yield the events after change number `last`, until `wait` returns False."""
    # Sent at once, so that a client that is cut off early knows its last event id.
    yield f"retry: {RETRY_MS}\nid: {last}\n\n"
    for poll in count(1):
        if not wait(POLL_INTERVAL):
            return
        changes = read(last)
        if changes and changes[0].number > last + 1:
            yield f"event: reset\nid: {changes[0].number - 1}\ndata: {{}}\n\n"
        if changes:
            yield "".join(map(_event, changes))
            last = changes[-1].number
        if poll % HEARTBEAT_POLLS == 0:
            yield ":\n\n"


def _event(change: Change) -> str:
    data: BaseModel
    if change.kind == DELETED:
        data = DeletedNote(id=change.note_id)
    elif change.note is None:
        return ""  # deleted since, which has its own event
    else:
        data = NoteResponse.model_validate(change.note)
    return f"event: {change.kind}\nid: {change.number}\ndata: {to_json(data)}\n\n"


def _last_seen(event_id: str, newest: int) -> int:
    # A number above the newest comes from a database that has been replaced since.
    is_number = event_id.isascii() and event_id.isdigit() and len(event_id) < 19
    return min(int(event_id), newest) if is_number else newest


def _wait(environ: Mapping[str, Any], streams: NoteStreams) -> Wait:
    connection = environ.get("gunicorn.socket")

    def wait(seconds: float) -> bool:
        if connection is None:
            streams.sleep(seconds)
            return streams.is_serving()
        # The client sends nothing more on this connection, so it becomes readable only when it is closed.
        with DefaultSelector() as selector:
            selector.register(connection, EVENT_READ)
            return not selector.select(seconds) and streams.is_serving()

    return wait
