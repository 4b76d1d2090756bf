"""Owns the form in which a note leaves the service."""

from datetime import datetime
from typing import Any

from resource_service.models import Note


def rendered(note: Note) -> dict[str, Any]:
    """The members of the JSON object that shows `note`."""
    return {
        "id": str(note.id),
        "owner": note.owner,
        "title": note.title,
        "body": note.body,
        "created_at": _timestamp(note.created_at),
        "updated_at": _timestamp(note.updated_at),
    }


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")  # RFC 3339
