"""Reads and makes the handshakes that open a WebSocket. RFC 6455 4.

Both are built from nothing: the fields named here cross, and no other that begins with `Sec-WebSocket-`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from contract.problems import Refused
from gateway.http.header_fields import list_elements_of
from gateway.http.request import Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = b"13"
_OFFERS = (b"sec-websocket-protocol", b"sec-websocket-extensions")
_PLAIN = re.compile(rb"[\t\x20-\x7e]*")
_SWITCH = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"

Fields = Iterable[tuple[bytes, bytes]]


def asks_for_websocket(request: Request) -> bool:
    """Whether a client asks to go on with WebSocket on this connection. RFC 6455 4.2.1, RFC 9110 7.8."""
    return (
        request.method == "GET"
        and request.http_version == "1.1"
        and _has_token(request.headers, b"upgrade", b"websocket")
        and _has_token(request.headers, b"connection", b"upgrade")
    )


@dataclass(frozen=True, slots=True)
class Handshake:
    """A client's handshake: its key, and the lines that offer subprotocols and extensions."""

    key: bytes
    offers: bytes

    @property
    def lines(self) -> bytes:
        """What the request to the service says besides what every request says, ended."""
        ours = b"Sec-WebSocket-Version: %b\r\nSec-WebSocket-Key: %b\r\n" % (_VERSION, self.key)
        return _SWITCH + ours + self.offers

    @property
    def accept(self) -> bytes:
        """What proves that a server has read the key."""
        return base64.b64encode(hashlib.sha1(self.key + _GUID, usedforsecurity=False).digest())

    def is_answered_by(self, fields: Fields) -> bool:
        """Whether the `fields` of a 101 are a right answer. RFC 6455 4.1, the client's checks."""
        accepts = [value for name, value in fields if name == b"sec-websocket-accept"]
        return accepts == [self.accept] and _has_token(fields, b"upgrade", b"websocket")

    def response_lines(self, fields: Fields) -> bytes:
        """Return the header lines of the 101 for the client, after the service has answered with `fields`."""
        return b"%bSec-WebSocket-Accept: %b\r\n%b" % (_SWITCH, self.accept, _lines(fields))


def read_handshake(request: Request) -> Handshake:
    """The handshake of `arrival`, which asks for a WebSocket. Raises Refused: 400, or 426 for another version."""
    versions = [value for name, value in request.headers if name == b"sec-websocket-version"]
    if versions != [_VERSION]:
        raise Refused("websocket_version", headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"})
    keys = [value for name, value in request.headers if name == b"sec-websocket-key"]
    if len(keys) != 1 or not _is_key(keys[0]):
        raise Refused("bad_header", "Sec-WebSocket-Key must be 16 bytes in base64, once.")
    return Handshake(keys[0], _lines(request.headers))


def _lines(fields: Fields) -> bytes:
    crossing = ((name, value) for name, value in fields if name in _OFFERS and _PLAIN.fullmatch(value))
    return b"".join(b"%b: %b\r\n" % field for field in crossing)


def _has_token(fields: Fields, name: bytes, token: bytes) -> bool:
    return token in [element.lower() for element in list_elements_of(fields, name)]


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
