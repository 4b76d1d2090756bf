"""Parse and write the Forwarded field (RFC 7239), with which proxies forward the client's address and scheme."""

import re
from collections.abc import Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - not a secret: a token as in RFC 9110 5.6.2
_PART = re.compile(rf'[ \t]*(?:({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*"))?[ \t]*(;|,|\Z)')
_ESCAPED = re.compile(r"\\(.)")

Element = Mapping[str, str]
"""The element that one proxy added: unquoted values by parameter names in lower case."""


def parse_forwarded(text: str) -> list[Element]:
    """Return the elements in their order, so the nearest proxy's is last.

    The list is empty if an element is malformed or repeats a parameter (RFC 7239 4).
    """
    elements: list[Element] = []
    element: dict[str, str] = {}
    position, end = 0, ","
    while end:
        part = _PART.match(text, position)
        if part is None:
            return []
        position = part.end()
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
    """Return the Forwarded element that the gateway sends; `host` is empty if the client sent no Host."""
    node = f'"[{client}]"' if ":" in client else client  # RFC 7239 6: an IPv6 address is bracketed and quoted
    host_parameter = f';host="{host}"' if host else ""
    return f"for={node};proto={scheme}{host_parameter}"
