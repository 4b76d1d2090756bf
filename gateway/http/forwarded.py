"""Reads and writes the Forwarded field (RFC 7239): who asked whom, on whose behalf, and over which scheme."""

import re
from collections.abc import Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a run of such characters
_PART = re.compile(rf'[ \t]*(?:({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*"))?[ \t]*(;|,|\Z)')
_ESCAPED = re.compile(r"\\(.)")

Element = Mapping[str, str]
"""What one proxy said: parameters by their names in lower case, unquoted."""


def read_forwarded(text: str) -> list[Element]:
    """The elements, the nearest proxy's last. Nothing at all where a part is malformed or said twice (section 4)."""
    elements: list[Element] = []
    element: dict[str, str] = {}
    place, end = 0, ","
    while end:
        part = _PART.match(text, place)
        if part is None:
            return []
        place = part.end()
        name, value, end = part.groups()
        if name is not None:
            if name.lower() in element:
                return []
            element[name.lower()] = _unquoted(value)
        if end != ";" and element:
            elements.append(element)
            element = {}
    return elements


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def forwarded_value(client: str, scheme: str, host: str) -> str:
    """The one element that the gateway says; `host` is empty where the client named none."""
    node = f'"[{client}]"' if ":" in client else client  # section 6: an IPv6 address is bracketed and quoted
    said_host = f';host="{host}"' if host else ""
    return f"for={node};proto={scheme}{said_host}"
