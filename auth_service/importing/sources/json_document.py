"""Read export files that are one JSON document with a list of users, as Firebase and Keycloak write them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from auth_service.importing.source_row import SourceError, SourceRow, UnreadableRow
from auth_service.importing.sources.files import open_text

ReadUser = Callable[[Mapping[str, object]], Mapping[str, object]]
"""Returns the fields of a user of the document."""


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A file with the users in the list `users` of one JSON object, or in a list alone. It is read as a whole."""

    path: Path
    read_user: ReadUser

    def count(self) -> int | None:
        """Return None, because the file is read only once."""
        return None

    def rows(self) -> Iterator[SourceRow | UnreadableRow]:
        """Yield the users in the order of the document. Raises SourceError."""
        for number, user in enumerate(self._users(), 1):
            if isinstance(user, dict):
                yield SourceRow(number, self.read_user(user))
            else:
                yield UnreadableRow(number, "the user is not a JSON object")

    def _users(self) -> list[object]:
        with open_text(self.path) as file:
            try:
                document = json.load(file)
            except (ValueError, RecursionError) as error:
                raise SourceError(f"{self.path} is not a JSON document: {error}") from error
        users = document.get("users") if isinstance(document, dict) else document
        if not isinstance(users, list):
            raise SourceError(f"{self.path} has no list `users`")
        return users
