"""Read the PROXY protocol header, in which a TCP load balancer passes on the client's address.

Versions 1 and 2, as HAProxy specifies them. Of version 2's TLV records only PP2_TYPE_SSL is read.
"""

import re
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, NamedTuple

from gateway.http.gateway_paths import ServerAddress, is_internal

Versions = Literal["off", "v1", "v2", "any"]

MAX_BYTES = 4_096
"""Maximum length of a version 2 header. Addresses and the records that load balancers add take a few hundred."""

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
"""By address family (TCP over IPv4 and IPv6): bytes of the client's address, and of all addresses and ports."""
_NO_ADDRESS = (0x00, 0x31)
"""Families without an IP address: unspecified, and stream over a unix socket."""
_TLS_RECORD, _OVER_TLS = 0x20, 0x01  # PP2_TYPE_SSL, PP2_CLIENT_SSL


class MalformedProxyHeader(ValueError):
    """The data is not a PROXY header of an accepted version."""


class ProxyHeader(NamedTuple):
    """A header of `length` bytes. `client` is the client's address; None if the header names none."""

    length: int
    client: str | None = None
    is_tls: bool = False


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """Reads headers of the accepted `versions`. `internal_address` requires none: operators connect directly."""

    versions: Versions
    internal_address: str

    def is_required_at(self, server: ServerAddress) -> bool:
        """Return whether a trusted proxy that connects to `server` must send a header."""
        return self.versions != "off" and not is_internal(server, self.internal_address)

    def read(self, data: bytes) -> ProxyHeader | None:
        """Return the header at the beginning of `data`; None if it is incomplete. Raises MalformedProxyHeader."""
        if self.versions != "v1" and _may_begin_with(_V2, data):
            return _read_v2(data)
        if self.versions != "v2" and _may_begin_with(_V1, data):
            return _read_v1(data)
        raise MalformedProxyHeader("no PROXY header, or one of another version")


def _may_begin_with(signature: bytes, data: bytes) -> bool:
    return data.startswith(signature) or signature.startswith(data)


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_MAX_BYTES)
    if end < 0:
        if len(data) >= _V1_MAX_BYTES:
            raise MalformedProxyHeader("the header's line has no end")
        return None
    line = _V1_LINE.fullmatch(data, 0, end)
    if line is None:
        raise MalformedProxyHeader("the header's line is malformed")
    client = line[2] or line[4]
    if client is None:  # UNKNOWN: the rest of the line is ignored
        return ProxyHeader(end + 2)
    return ProxyHeader(end + 2, _address(client.decode("ascii"), int(line[1] or line[3])))


def _address(text: str, version: int) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise MalformedProxyHeader("the client's address is malformed") from None
    if address.version != version:
        raise MalformedProxyHeader("the client's address is of another family")
    return str(address)


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_HEAD:
        return None
    command, family, size = struct.unpack_from("!BBH", data, len(_V2))
    length = _V2_HEAD + size
    if command not in (_LOCAL, _PROXY) or length > MAX_BYTES:
        raise MalformedProxyHeader("the header is of an unknown version or command, or too long")
    if len(data) < length:
        return None
    if command == _LOCAL or family in _NO_ADDRESS:
        return ProxyHeader(length)
    if family not in _ADDRESSES:
        raise MalformedProxyHeader("the client's address is of an unknown family")
    client_size, addresses_size = _ADDRESSES[family]
    if size < addresses_size:
        raise MalformedProxyHeader("the header ends within the addresses")
    client = str(ip_address(data[_V2_HEAD : _V2_HEAD + client_size]))
    return ProxyHeader(length, client, _is_over_tls(data[_V2_HEAD + addresses_size : length]))


def _is_over_tls(records: bytes) -> bool:
    is_tls = False
    while records:
        if len(records) < 3:
            raise MalformedProxyHeader("the header ends within a record")
        kind, size = struct.unpack_from("!BH", records)
        value, records = records[3 : 3 + size], records[3 + size :]
        if len(value) < size:
            raise MalformedProxyHeader("the header ends within a record")
        if kind == _TLS_RECORD:
            is_tls = bool(value and value[0] & _OVER_TLS)
    return is_tls
