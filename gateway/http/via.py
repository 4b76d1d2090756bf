"""The Via field (RFC 9110 7.6.3): add the gateway to it, and detect forwarding loops by it."""

import re

from contract.problems import Refused

_TEXT = re.compile(rb"[\t\x20-\x7e]*")


class Via:
    """Builds and checks Via for the gateway `name`, a token. Each gateway of a chain needs its own name."""

    def __init__(self, name: str) -> None:
        own = name.encode("ascii")
        self._own = {version: version.encode("ascii") + b" " + own for version in ("1.0", "1.1")}
        self._lines = {version: b"Via: " + element + b"\r\n" for version, element in self._own.items()}
        received_by = rb"(?:^|,)[ \t]*[^\s,()]+[ \t]+" + re.escape(own) + rb"[ \t]*(?:,|\(|$)"
        self._own_element = re.compile(received_by, re.IGNORECASE)

    def check(self, received: bytes) -> None:
        """Raise Refused(508) if the Via value `received` contains this gateway's name."""
        if self._own_element.search(received):
            raise Refused("loop_detected")

    def line(self, http_version: str, received: bytes | None) -> bytes:
        """Return the Via line to forward for a request of `http_version`; a malformed value `received` is dropped."""
        if not received or not _TEXT.fullmatch(received):
            return self._lines[http_version]
        return b"Via: " + received + b", " + self._own[http_version] + b"\r\n"
