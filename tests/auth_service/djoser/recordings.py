"""The recordings of djoser: requests with their responses, and the settings that they were recorded with."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "contract" / "data"

STRICT = {"REFRESH_GRACE": "0", "REFRESH_CONFIRM": "off", "PAGE_SIZE": "20"}
"""The settings of every recording: djoser refuses used refresh tokens at once, and its lists are paginated."""
RETYPE = {
    "USER_CREATE_PASSWORD_RETYPE": "on",
    "SET_PASSWORD_RETYPE": "on",
    "PASSWORD_RESET_CONFIRM_RETYPE": "on",
    "SET_EMAIL_RETYPE": "on",
    "EMAIL_RESET_CONFIRM_RETYPE": "on",
    "PASSWORD_RESET_SHOW_EMAIL_NOT_FOUND": "on",
}


@dataclass(frozen=True)
class Row:
    """One recorded request with its response."""

    case: str
    method: str
    url: str
    auth: str | None
    body: str
    status: int
    resp: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Recording:
    """A file of rows, in the order in which they were sent.

    `has_names` is false if users had no names in the recorded responses; ours always do. `as_recorded` names the
    cases of DEVIATIONS that do not deviate here, and `statuses` the status of our response where a deviation has
    another status here.
    """

    file: str
    rows_in_file: int
    settings: Mapping[str, str]
    has_names: bool = False
    as_recorded: Collection[str] = field(default=())
    statuses: Mapping[str, int] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """Return the rows in their order."""
        return [Row(**row) for row in json.loads((_FOLDER / self.file).read_text(encoding="utf-8"))]


DEFAULTS = Recording("djoser_answers.json", 154, STRICT, has_names=True)
ACTIVATION = Recording(
    "djoser_answers_activation.json",
    58,
    STRICT | {"SEND_ACTIVATION_EMAIL": "on"},
    # The account is not verified yet, so no spelling of its address can log in.
    as_recorded={"create email other case"},
)
RETYPED = Recording(
    "djoser_answers_retype.json",
    156,
    STRICT | RETYPE,
    # It has no second password, which djoser does not notice, because it redirects first.
    statuses={"register without trailing slash": 400},
)
RECORDINGS = (DEFAULTS, ACTIVATION, RETYPED)
