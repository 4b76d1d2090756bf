"""Decide where a page may lead after a log-in: to a path of its own origin only (OWASP WSTG-CLNT-04)."""

import re
from urllib.parse import quote, unquote

MAX_NEXT = 3_000
"""Characters of a path with its query that a page leads to."""

_PRINTABLE = re.compile(r"/[!-~]*", re.ASCII)
_DOT_SEGMENTS = frozenset({".", ".."})


def safe_next(text: str | None) -> str | None:
    """Return `text` if it is a path of this origin, with or without query and fragment; otherwise None.

    Browsers read `\\` as `/`, drop tabs and line ends, and take what follows `//` for a host (WHATWG URL standard).
    A proxy or an app on the way may decode a path once more, so its encoded forms are refused as well.
    """
    if text is None or len(text) > MAX_NEXT or not _PRINTABLE.fullmatch(text):
        return None
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    decoded = unquote(unquote(path))
    if "//" in decoded or "\\" in decoded or not decoded.isprintable():
        return None
    return None if _DOT_SEGMENTS & {segment.partition(";")[0] for segment in decoded.split("/")} else text


def next_query(path: str | None) -> str:
    """Return the query `?next=...` for a path that safe_next returned; empty for None."""
    return f"?next={quote(path)}" if path else ""
