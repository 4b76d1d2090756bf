"""Decides what a query string asks for: which notes, and which page of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from resource_service.field_errors import invalid_fields

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_PAGE = 1_000_000
MAX_SEARCH_LENGTH = 200
MAX_OWNER_LENGTH = 255
EVERYBODY = "*"

_NAMES = ("page", "page_size", "q", "owner")
_COUNTING_NUMBER = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NoteQuery:
    """What the query string of a list or an export asks for."""

    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE
    search: str = ""
    owner: str | None = None
    """As given: a subject, EVERYBODY, or None where the caller's own notes are meant."""

    @property
    def offset(self) -> int:
        """How many notes the pages before this one hold."""
        return (self.page - 1) * self.page_size

    def link(self, path: str, page: int) -> str:
        """The reference to `page` of the same list at `path`.

        It names no host: a client resolves it against the one URL it knows (RFC 3986 4.2), so a forged Host
        header finds its way into no link.
        """
        given = {"page": str(page), "page_size": str(self.page_size)}
        if self.search:
            given["q"] = self.search
        if self.owner is not None:
            given["owner"] = self.owner
        return f"{path}?{urlencode(given)}"


def read_note_query(query_string: bytes) -> NoteQuery:
    """What `query_string` asks for; unknown parameters are ignored. Raises Refused(400) naming those at fault."""
    given = _texts(query_string)
    errors: dict[str, str] = {}
    page = _number(given, "page", 1, MAX_PAGE, errors)
    page_size = _number(given, "page_size", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, errors)
    for name, limit in (("q", MAX_SEARCH_LENGTH), ("owner", MAX_OWNER_LENGTH)):
        if len(given.get(name, "")) > limit:
            errors[name] = f"Ensure this parameter has no more than {limit} characters."
    if errors:
        raise invalid_fields(errors)
    owner = given.get("owner")
    return NoteQuery(page, page_size, given.get("q", ""), EVERYBODY if owner == "" else owner)


def _texts(query_string: bytes) -> dict[str, str]:
    # Latin-1 maps every byte to one character and back, so that what is no UTF-8 is noticed, by name, and not
    # replaced by question marks.
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    texts: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, value in pairs:
        if name not in _NAMES:
            continue
        if name in texts:
            errors[name] = "Give this parameter once."
        try:
            texts[name] = value.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            errors[name] = "Not valid UTF-8."
        if "\0" in value:
            errors[name] = "Null characters are not allowed."
    if errors:
        raise invalid_fields(errors)
    return texts


def _number(given: Mapping[str, str], name: str, default: int, largest: int, errors: dict[str, str]) -> int:
    text = given.get(name)
    if text is None:
        return default
    if _COUNTING_NUMBER.fullmatch(text) is None or int(text) > largest:
        errors[name] = f"Must be a number from 1 to {largest}."
        return default
    return int(text)
