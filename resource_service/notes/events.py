"""/api/notes/events: the changes of the caller's notes as server-sent events.

| event | data |
|---|---|
| `created`, `changed` | the current note |
| `deleted` | `{"id": ...}` |
| `reset` | `{}`: the client missed more changes than are stored, so it must read the list again |

The id of an event is the number of its change. A client that reconnects with `Last-Event-ID` (or `?last_event_id=`,
if it cannot send headers) receives the events that it missed. Each stream polls the database once a second, so it
also sends changes that other workers made. Each stream occupies a thread, so RESOURCE_STREAMS limits their number,
and RESOURCE_THREADS threads remain for other requests.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from selectors import EVENT_READ, DefaultSelector
from threading import BoundedSemaphore
from typing import Any

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, Field

from chassis.openapi.problem_details import problem
from contract.problems import Refused, jittered_retry_after
from resource_service.api_description import described
from resource_service.database import db
from resource_service.json_bodies import to_json
from resource_service.notes.api_models import DeletedNote, NoteResponse
from resource_service.notes.changes import DELETED, Change, changes_after, newest_number
from sallyport_service.flask import current_identity, identity_required

POLL_SECONDS = 1.0
"""Seconds between two reads of the database by one stream."""
HEARTBEAT_POLLS = 15
"""Polls after which the stream sends a comment, so that no proxy closes an idle connection."""
RECONNECT_MS = 2_000
"""Milliseconds after which a client reconnects: the `retry` field of server-sent events."""


class EventsQuery(BaseModel):
    """The query parameters of the stream."""

    last_event_id: str = Field(
        default="", description="As Last-Event-ID, for clients that cannot send headers.", examples=["17"]
    )


Wait = Callable[[float], bool]
"""Wait for the given seconds. Return False if the stream must end."""

note_events = Blueprint("note_events", __name__, url_prefix="/api/notes")


class NoteStreams:
    """The event streams of one process, at most `limit` at a time.

    `is_serving` returns False when the process must stop. `sleep` waits between two polls if the server does not
    expose the client's connection; gunicorn exposes it.
    """

    def __init__(self, limit: int) -> None:
        self._slots = BoundedSemaphore(limit)
        self.is_serving: Callable[[], bool] = lambda: True
        self.sleep: Callable[[float], None] = time.sleep

    def acquire(self) -> None:
        """Count a new stream. Raises Refused(503) if `limit` streams are open."""
        if not self._slots.acquire(blocking=False):
            raise Refused("streams_exhausted", retry_after=jittered_retry_after(5))

    def release(self) -> None:
        """Uncount a stream that has ended."""
        self._slots.release()


@note_events.get("/events")
@described(
    query=EventsQuery,
    header_parameters={"Last-Event-ID": "The id of the last received event: the stream begins after it."},
    returns={200: None},
    media_type="text/event-stream",
    text='retry: 2000\nid: 17\n\nevent: deleted\nid: 18\ndata: {"id":"0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"}\n\n',
    errors=[problem("streams_exhausted", retry_after=7)],
)
@identity_required
def stream_events() -> Response:
    """Stream the changes of the caller's notes. 503 if the process has its maximum number of streams."""
    streams: NoteStreams = current_app.extensions["note_streams"]
    engine, owner = db.engine, current_identity().subject
    last_event_id = request.headers.get("Last-Event-ID") or request.args.get("last_event_id", "")
    last_number = _change_number(last_event_id, newest_number(engine, owner))
    streams.acquire()
    wait = _wait_for_poll(request.environ, streams)
    events = event_stream(lambda number: changes_after(engine, owner, number), last_number, wait)
    response = Response(events, content_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    response.call_on_close(streams.release)
    return response


def event_stream(read: Callable[[int], Sequence[Change]], last_number: int, wait: Wait) -> Iterator[str]:
    """Yield the events of the changes after `last_number`, until `wait` returns False.

    `read` returns the changes after a number.
    """
    # Sent at once, so that a client whose connection breaks before the first event resumes from here.
    yield f"retry: {RECONNECT_MS}\nid: {last_number}\n\n"
    for poll in count(1):
        if not wait(POLL_SECONDS):
            return
        changes = read(last_number)
        if changes and changes[0].number > last_number + 1:
            yield f"event: reset\nid: {changes[0].number - 1}\ndata: {{}}\n\n"
        if changes:
            yield "".join(map(_event, changes))
            last_number = changes[-1].number
        if poll % HEARTBEAT_POLLS == 0:
            yield ":\n\n"


def _event(change: Change) -> str:
    data: BaseModel
    if change.kind == DELETED:
        data = DeletedNote(id=change.note_id)
    elif change.note is None:
        return ""  # the note was deleted later; that change has an event of its own
    else:
        data = NoteResponse.model_validate(change.note)
    return f"event: {change.kind}\nid: {change.number}\ndata: {to_json(data)}\n\n"


def _change_number(event_id: str, newest: int) -> int:
    """Return the number in `event_id`, or `newest` if it is not the number of a change."""
    # min: a number above the newest was sent before the database was restored from an older backup.
    # 18 digits always fit the BIGINT column.
    is_number = event_id.isascii() and event_id.isdigit() and len(event_id) < 19
    return min(int(event_id), newest) if is_number else newest


def _wait_for_poll(environ: Mapping[str, Any], streams: NoteStreams) -> Wait:
    """Return the function that waits between two polls. It returns early if the client closes the connection."""
    connection = environ.get("gunicorn.socket")

    def wait(seconds: float) -> bool:
        if connection is None:
            streams.sleep(seconds)
            return streams.is_serving()
        # The client sends no more data on this connection, so it becomes readable only when the client closes it.
        with DefaultSelector() as selector:
            selector.register(connection, EVENT_READ)
            return not selector.select(seconds) and streams.is_serving()

    return wait
