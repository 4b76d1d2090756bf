"""The hashes that Django, passlib, Werkzeug, pwdlib and Flask-Security made (tests/migration/record_hashes.py)."""

import json
from dataclasses import dataclass
from pathlib import Path

from auth_service.accounts.foreign_hashes.flask_security import PREFIX

FLASK_SECURITY_SALT = "146585145368132386173505678016728509634"


@dataclass(frozen=True, slots=True)
class RecordedHash:
    """A hash of `password`, as `system` stored it."""

    system: str
    kind: str
    password: str
    stored: str

    def __str__(self) -> str:
        return f"{self.system} {self.kind} {len(self.password)}"


def recorded_hashes() -> list[RecordedHash]:
    """Return the recorded hashes. Those of Flask-Security are as the import stores them."""
    records = json.loads(Path(__file__).with_name("recorded_hashes.json").read_text(encoding="ascii"))
    return [
        RecordedHash(
            record["system"],
            record["kind"],
            record["password"],
            PREFIX + record["stored"] if "key" in record else record["stored"],
        )
        for record in records
    ]
