"""Owns the Via field (RFC 9110 7.6.3): what the gateway adds to it, and whether a request came through here."""

import re

from contract.problems import Refused

_TEXT = re.compile(rb"[\t\x20-\x7e]*")


class Via:
    """Speaks for the deployment that is called `name`, a token: other gateways in the same chain have other names."""

    def __init__(self, name: str) -> None:
        own = name.encode("ascii")
        self._own = {version: version.encode("ascii") + b" " + own for version in ("1.0", "1.1")}
        self._lines = {version: b"Via: " + element + b"\r\n" for version, element in self._own.items()}
        received_by = rb"(?:^|,)[ \t]*[^\s,()]+[ \t]+" + re.escape(own) + rb"[ \t]*(?:,|\(|$)"
        self._passed_here = re.compile(received_by, re.IGNORECASE)

    def check(self, received: bytes) -> None:
        """Returns for a request that is here for the first time. Raises Refused(508)."""
        if self._passed_here.search(received):
            raise Refused("loop_detected")

    def line(self, http_version: str, received: bytes | None) -> bytes:
        """The line to send on, ended, for a request that came by `http_version`, without a Via that is malformed."""
        if not received or not _TEXT.fullmatch(received):
            return self._lines[http_version]
        return b"Via: " + received + b", " + self._own[http_version] + b"\r\n"
