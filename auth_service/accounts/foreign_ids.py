"""The ids of users in other systems, as the import and the tokens of these systems have them."""

import re
from uuid import UUID

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def read_uuid(text: str) -> UUID | None:
    """Return the UUID that an id is, with or without hyphens; None if it has another form."""
    return UUID(text) if _UUID.fullmatch(text) else None
