"""Answers /api/notes/events: what becomes of the caller's notes, as server-sent events, while it happens.

| event | data |
|---|---|
| `created`, `changed` | the note as it is now |
| `deleted` | `{"id": ...}` |
| `reset` | `{}`: more was missed than is kept, so read the list again |

An event's id is the number of the change: a client that comes back with `Last-Event-ID` (or, where it can send no
header, `?last_event_id=`) misses nothing. Each stream asks SQL once a second, which is how changes by other workers
are seen. It also holds a thread, so there are RESOURCE_STREAMS of them, and as many threads besides those for others.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from selectors import EVENT_READ, DefaultSelector
from threading import BoundedSemaphore
from typing import Any

from flask import Blueprint, Response, current_app, request

from contract.problems import Refused, spread
from resource_service.identity import current_identity, identity_required
from resource_service.models import db
from resource_service.note_changes import DELETED, Change, changes_after, newest_number
from resource_service.note_document import rendered

POLL = 1.0
"""Seconds between two questions."""
HEARTBEAT = 15
"""Questions after which a comment says that the stream is alive."""
RETRY_MS = 2_000
"""After so long a client that lost its stream connects again."""

Wait = Callable[[float], bool]
"""Lets some seconds pass. Whether the stream may go on."""

note_events = Blueprint("note_events", __name__, url_prefix="/api/notes")


class NoteStreams:
    """The places for streams in one process. `serves` says whether the process is to go on; `sleep` lets seconds pass
    where the server does not show the client's connection."""

    def __init__(self, limit: int) -> None:
        self._places = BoundedSemaphore(limit)
        self.serves: Callable[[], bool] = lambda: True
        self.sleep: Callable[[float], None] = time.sleep

    def take(self) -> None:
        """Takes a place. Raises Refused(503) where there is none."""
        if not self._places.acquire(blocking=False):
            raise Refused("streams_exhausted", retry_after=spread(5))

    def give_back(self) -> None:
        """Gives a place back."""
        self._places.release()


@note_events.get("/events")
@identity_required
def follow_notes() -> Response:
    streams: NoteStreams = current_app.extensions["note_streams"]
    engine, owner = db.engine, current_identity().subject
    said = request.headers.get("Last-Event-ID") or request.args.get("last_event_id", "")
    last = _last_seen(said, newest_number(engine, owner))
    streams.take()
    events = event_lines(lambda number: changes_after(engine, owner, number), last, _wait(request.environ, streams))
    response = Response(events, content_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    response.call_on_close(streams.give_back)
    return response


def event_lines(read: Callable[[int], Sequence[Change]], last: int, wait: Wait) -> Iterator[str]:
    """The events after change number `last`, for as long as `wait` says so."""
    # At once, so that the client knows that it is heard, and by which number to go on if it is cut off soon.
    yield f"retry: {RETRY_MS}\nid: {last}\n\n"
    for question in count(1):
        if not wait(POLL):
            return
        changes = read(last)
        if changes and changes[0].number > last + 1:
            yield f"event: reset\nid: {changes[0].number - 1}\ndata: {{}}\n\n"
        if changes:
            yield "".join(map(_event, changes))
            last = changes[-1].number
        if question % HEARTBEAT == 0:
            yield ":\n\n"


def _event(change: Change) -> str:
    if change.kind == DELETED:
        data: Mapping[str, Any] = {"id": str(change.note_id)}
    elif change.note is None:
        return ""  # it was deleted since, which is an event of its own
    else:
        data = rendered(change.note)
    return f"event: {change.kind}\nid: {change.number}\ndata: {json.dumps(data)}\n\n"


def _last_seen(said: str, newest: int) -> int:
    # A number that is still to come was given out by a database that has been replaced since.
    return min(int(said), newest) if said.isascii() and said.isdigit() and len(said) < 19 else newest


def _wait(environ: Mapping[str, Any], streams: NoteStreams) -> Wait:
    connection = environ.get("gunicorn.socket")

    def wait(seconds: float) -> bool:
        if connection is None:
            streams.sleep(seconds)
            return streams.serves()
        # The gateway sends nothing more on this connection: what can be read is its end.
        with DefaultSelector() as selector:
            selector.register(connection, EVENT_READ)
            return not selector.select(seconds) and streams.serves()

    return wait
