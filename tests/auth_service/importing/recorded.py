"""Databases and tokens that a real Django project made (tests/migration/record_database.py)."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).with_name("data")
_DOCUMENT = json.loads((DATA / "tokens.json").read_text(encoding="ascii"))

SECRET: str = _DOCUMENT["secret"]
"""The SECRET_KEY of the project."""
PASSWORD: str = _DOCUMENT["password"]
"""The password of every user."""


@dataclass(frozen=True, slots=True)
class RecordedTokens:
    """The tokens of the user `ann` in one of the databases. `issued_at` is in seconds since the epoch."""

    user_id: str
    issued_at: int
    refresh: str
    second_refresh: str
    access: str
    blacklisted: str


def recorded_tokens(name: str) -> RecordedTokens:
    """Return the tokens of the database `name`."""
    return RecordedTokens(**_DOCUMENT[name])


def django_database(folder: Path, name: str = "django_auth") -> Path:
    """Create the recorded database `name` in a folder."""
    path = folder / f"{name}.db"
    connection = sqlite3.connect(path)
    connection.executescript((DATA / f"{name}.sql").read_text(encoding="utf-8"))
    connection.close()
    return path
