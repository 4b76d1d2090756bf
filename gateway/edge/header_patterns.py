"""Regular expressions (PCRE) for the names of header fields that the edge removes, made of the gateway's own lists.

HAProxy stores names in lower case. The names are grouped by their first characters, because an expression with 200
alternatives takes 10 us a request.
"""

import re
from collections.abc import Iterable

from gateway.http.header_fields import HOP_BY_HOP
from gateway.http.request_headers import WITHHELD_NAMES, WITHHELD_PREFIXES
from gateway.http.response_headers import DROPPED_NAMES, DROPPED_PREFIXES

_OF_HAPROXY = frozenset({"connection", "transfer-encoding", "upgrade"})
"""HAProxy reads and writes these itself. It leaves requests that have one of them to the gateway."""

_REMOVED_BY_NAME = frozenset({"authorization"})
"""Every request that the edge decides has it, so it has a rule of its own."""

_NOT_PLAIN = "[^a-z0-9-]"
_HYPHEN_OR_ALIAS = "[^a-z0-9]"

_Trie = dict[str, "_Trie"]
_END, _ANY_END = "$", ""
"""Marks in a trie: a name ends here; everything that begins so matches."""


def withheld_from_services() -> str:
    """Return the pattern of request fields that are not forwarded: spoofable, reserved, or not plain."""
    names = {*WITHHELD_NAMES, *HOP_BY_HOP, "cookie"} - _OF_HAPROXY - _REMOVED_BY_NAME
    return f"^{_alternatives(names, WITHHELD_PREFIXES)}|{_NOT_PLAIN}"


def withheld_from_clients() -> str:
    """Return the pattern of response fields that are not sent to the client, in every spelling of their names."""
    names = {*DROPPED_NAMES, "set-cookie"} - _OF_HAPROXY - {"date"}
    pattern = _alternatives(names, DROPPED_PREFIXES).replace("-", _HYPHEN_OR_ALIAS)
    return f"^{pattern}|^content{_NOT_PLAIN}length$"  # the plain name frames the body


def among_names(pattern: str) -> str:
    """Return the pattern that finds a name that `pattern` matches among names that are separated by colons."""
    pattern = re.sub(r"(?<!\[)\^", "(?:^|:)", pattern)
    return pattern.replace("[^", "[^:").replace("$", "(?::|$)")


def _alternatives(names: Iterable[str], prefixes: Iterable[str]) -> str:
    trie: _Trie = {}
    for texts, end in ((names, _END), (prefixes, _ANY_END)):
        for text in texts:
            node = trie
            for character in text:
                node = node.setdefault(character, {})
            node[end] = {}
    return _pattern(trie)


def _pattern(node: _Trie) -> str:
    if _ANY_END in node:
        return ""
    branches = sorted(
        _END if character == _END else re.escape(character).replace("\\-", "-") + _pattern(child)
        for character, child in node.items()
    )
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
