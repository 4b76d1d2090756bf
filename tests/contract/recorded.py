"""Reads the recorded vectors: what services already deployed send, as JSON with the clock it was recorded at.

A vector is never changed. A new form on a wire comes as a new one beside it.
"""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("vectors")


def recorded(name: str) -> dict[str, Any]:
    """Return the vectors in the file `name`."""
    document: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return document
