"""The claims hook of the played system. It fails while a file exists."""

import os
from collections.abc import Mapping
from pathlib import Path

from auth_service.tokens.claims_hook import ClaimsRequest

SWITCH = "claims_hook_fails"
"""The name of the file in DATA_DIR."""


def claims_for(_: ClaimsRequest) -> Mapping[str, object]:
    """Return no claims. Raises ConnectionError while the file exists."""
    if (Path(os.environ["DATA_DIR"]) / SWITCH).exists():
        raise ConnectionError("the directory does not answer")
    return {}
