"""Reads the PROXY protocol's header, by which a balancer that speaks no HTTP says whose connection it passes on.

Versions 1 and 2, as HAProxy specifies them. Of what version 2 may add, the TLS record alone is read.
"""

import re
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, NamedTuple

from gateway.http.gateway_paths import Server, is_internal

Versions = Literal["off", "v1", "v2", "any"]

MAX_BYTES = 4_096
"""Of version 2's header. Addresses and what balancers add to them take some hundred."""

_V1 = b"PROXY "
_V1_MAX_BYTES = 107
_V1_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|TCP(?:(4) ([0-9.]{7,15})|(6) ([0-9A-Fa-f:.]{2,45}))"
    rb" [0-9A-Fa-f:.]{2,45}(?: (?:0|[1-9][0-9]{0,4})){2})"
)
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD = 16
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESSES = {0x11: (4, 12), 0x21: (16, 36)}
"""TCP over IPv4 and IPv6: bytes of the client's address, and of all addresses and ports."""
_NAMELESS = (0x00, 0x31)
"""A client that is unknown, or on a unix socket."""
_TLS_RECORD, _OVER_TLS = 0x20, 0x01


class MalformedPreamble(ValueError):
    """What came is no header of a version that is accepted."""


class Preamble(NamedTuple):
    """A header of `length` bytes. `client` is an address, or None where the peer speaks for itself."""

    length: int
    client: str | None = None
    is_tls: bool = False


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """Which versions are spoken, and not at `internal_address`: operators come without a balancer."""

    versions: Versions
    internal_address: str

    def is_due_at(self, server: Server) -> bool:
        """Whether a trusted peer that connects to `server` begins with a header."""
        return self.versions != "off" and not is_internal(server, self.internal_address)

    def read(self, data: bytes) -> Preamble | None:
        """The header at the beginning of `data`; None where more is to come. Raises MalformedPreamble."""
        if self.versions != "v1" and _could_be(_V2, data):
            return _read_v2(data)
        if self.versions != "v2" and _could_be(_V1, data):
            return _read_v1(data)
        raise MalformedPreamble("no PROXY header, or one of another version")


def _could_be(beginning: bytes, data: bytes) -> bool:
    return data.startswith(beginning) or beginning.startswith(data)


def _read_v1(data: bytes) -> Preamble | None:
    end = data.find(b"\r\n", 0, _V1_MAX_BYTES)
    if end < 0:
        if len(data) >= _V1_MAX_BYTES:
            raise MalformedPreamble("the header's line has no end")
        return None
    line = _V1_LINE.fullmatch(data, 0, end)
    if line is None:
        raise MalformedPreamble("the header's line is malformed")
    told = line[2] or line[4]
    if told is None:  # UNKNOWN: nothing else in the line counts
        return Preamble(end + 2)
    return Preamble(end + 2, _address(told.decode("ascii"), int(line[1] or line[3])))


def _address(text: str, version: int) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise MalformedPreamble("the client's address is none") from None
    if address.version != version:
        raise MalformedPreamble("the client's address is of another family")
    return str(address)


def _read_v2(data: bytes) -> Preamble | None:
    if len(data) < _V2_HEAD:
        return None
    command, family, size = struct.unpack_from("!BBH", data, len(_V2))
    length = _V2_HEAD + size
    if command not in (_LOCAL, _PROXY) or length > MAX_BYTES:
        raise MalformedPreamble("the header is of an unknown version or command, or too long")
    if len(data) < length:
        return None
    if command == _LOCAL or family in _NAMELESS:
        return Preamble(length)
    if family not in _ADDRESSES:
        raise MalformedPreamble("the client's address is of an unknown family")
    client_size, addresses_size = _ADDRESSES[family]
    if size < addresses_size:
        raise MalformedPreamble("the header ends within the addresses")
    client = str(ip_address(data[_V2_HEAD : _V2_HEAD + client_size]))
    return Preamble(length, client, _says_tls(data[_V2_HEAD + addresses_size : length]))


def _says_tls(records: bytes) -> bool:
    is_tls = False
    while records:
        if len(records) < 3:
            raise MalformedPreamble("the header ends within a record")
        kind, size = struct.unpack_from("!BH", records)
        value, records = records[3 : 3 + size], records[3 + size :]
        if len(value) < size:
            raise MalformedPreamble("the header ends within a record")
        if kind == _TLS_RECORD:
            is_tls = bool(value and value[0] & _OVER_TLS)
    return is_tls
