"""WebSocket opening handshakes (RFC 6455 4): between client and gateway, and between gateway and service.

Of the fields that begin with `Sec-WebSocket-`, only those in this module are forwarded.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from contract.problems import Refused
from gateway.http.header_fields import HeaderFields, list_elements_of
from gateway.http.request import Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = b"13"
_OFFERS = (b"sec-websocket-protocol", b"sec-websocket-extensions")
_PRINTABLE = re.compile(rb"[\t\x20-\x7e]*")
_UPGRADE_LINES = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


def is_websocket_upgrade(request: Request) -> bool:
    """Return whether `request` asks for an upgrade to WebSocket (RFC 6455 4.2.1, RFC 9110 7.8)."""
    return (
        request.method == "GET"
        and request.http_version == "1.1"
        and _has_token(request.headers, b"upgrade", b"websocket")
        and _has_token(request.headers, b"connection", b"upgrade")
    )


@dataclass(frozen=True, slots=True)
class Handshake:
    """A client's handshake. `offers` holds its header lines with subprotocols and extensions."""

    key: bytes
    offers: bytes

    @property
    def lines(self) -> bytes:
        """Return the header lines of the handshake in the request to the service."""
        version_and_key = b"Sec-WebSocket-Version: %b\r\nSec-WebSocket-Key: %b\r\n" % (_VERSION, self.key)
        return _UPGRADE_LINES + version_and_key + self.offers

    @property
    def accept(self) -> bytes:
        """Return the Sec-WebSocket-Accept value for the key (RFC 6455 4.2.2)."""
        return base64.b64encode(hashlib.sha1(self.key + _GUID, usedforsecurity=False).digest())

    def is_accepted_by(self, fields: HeaderFields) -> bool:
        """Return whether a 101 with these `fields` has the right Sec-WebSocket-Accept and Upgrade (RFC 6455 4.1)."""
        accepts = [value for name, value in fields if name == b"sec-websocket-accept"]
        return accepts == [self.accept] and _has_token(fields, b"upgrade", b"websocket")

    def response_lines(self, fields: HeaderFields) -> bytes:
        """Return the header lines of the 101 to the client; `fields` are those of the service's 101."""
        return b"%bSec-WebSocket-Accept: %b\r\n%b" % (_UPGRADE_LINES, self.accept, _lines(fields))


def parse_handshake(request: Request) -> Handshake:
    """Return the handshake in `request`. Raises Refused(400), or Refused(426) for an unsupported version."""
    versions = [value for name, value in request.headers if name == b"sec-websocket-version"]
    if versions != [_VERSION]:
        raise Refused("websocket_version", headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"})
    keys = [value for name, value in request.headers if name == b"sec-websocket-key"]
    if len(keys) != 1 or not _is_key(keys[0]):
        raise Refused("bad_header", "Sec-WebSocket-Key must be 16 bytes in base64, once.")
    return Handshake(keys[0], _lines(request.headers))


def _lines(fields: HeaderFields) -> bytes:
    forwarded = ((name, value) for name, value in fields if name in _OFFERS and _PRINTABLE.fullmatch(value))
    return b"".join(b"%b: %b\r\n" % field for field in forwarded)


def _has_token(fields: HeaderFields, name: bytes, token: bytes) -> bool:
    return token in [element.lower() for element in list_elements_of(fields, name)]


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
