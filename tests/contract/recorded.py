"""Read the recorded vectors: messages that deployed services send, as JSON, with the time of the recording.

A recorded vector is never changed. A new format gets a new vector.
"""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("vectors")


def recorded(name: str) -> dict[str, Any]:
    """Return the vectors in vectors/`name`.json."""
    document: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return document
