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
"""Maximum bytes of a version 2 header. Addresses and the records that load balancers add take a few hundred."""

_V1_SIGNATURE = b"PROXY "
_V1_MAX_BYTES = 107
_V1_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|TCP(?:(4) ([0-9.]{7,15})|(6) ([0-9A-Fa-f:.]{2,45}))"
    rb" [0-9A-Fa-f:.]{2,45}(?: (?:0|[1-9][0-9]{0,4})){2})"
)
_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED_BYTES = 16
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESS_BYTES = {0x11: (4, 12), 0x21: (16, 36)}
"""By address family (TCP over IPv4, TCP over IPv6): bytes of the client's address, and of all addresses and ports."""
_FAMILIES_WITHOUT_ADDRESS = (0x00, 0x31)
"""Families without an IP address: unspecified, and stream over a unix socket."""
_PP2_TYPE_SSL, _PP2_CLIENT_SSL = 0x20, 0x01


class MalformedProxyHeader(ValueError):
    """The data is not a PROXY header of an accepted version."""


class ProxyHeader(NamedTuple):
    """A parsed header of `length` bytes. `client` is the client's address; None if the header contains none."""

    length: int
    client: str | None = None
    is_tls: bool = False


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """Reads headers of the accepted `versions`.

    Connections to `internal_address` have no header, because operators connect to it directly.
    """

    versions: Versions
    internal_address: str

    def is_required_at(self, server: ServerAddress) -> bool:
        """Return whether a trusted proxy that connects to `server` must send a header."""
        return self.versions != "off" and not is_internal(server, self.internal_address)

    def read(self, data: bytes) -> ProxyHeader | None:
        """Return the header at the beginning of `data`; None if it is incomplete. Raises MalformedProxyHeader."""
        if self.versions != "v1" and _may_begin_with(_V2_SIGNATURE, data):
            return _read_v2(data)
        if self.versions != "v2" and _may_begin_with(_V1_SIGNATURE, data):
            return _read_v1(data)
        raise MalformedProxyHeader("the connection does not begin with a PROXY header of an accepted version")


def _may_begin_with(signature: bytes, data: bytes) -> bool:
    return data.startswith(signature) or signature.startswith(data)


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_MAX_BYTES)
    if end < 0:
        if len(data) >= _V1_MAX_BYTES:
            raise MalformedProxyHeader("the header's line is not ended within 107 bytes")
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
    if len(data) < _V2_FIXED_BYTES:
        return None
    command, family, size = struct.unpack_from("!BBH", data, len(_V2_SIGNATURE))
    length = _V2_FIXED_BYTES + size
    if command not in (_LOCAL, _PROXY) or length > MAX_BYTES:
        raise MalformedProxyHeader("the header is of an unknown version or command, or too long")
    if len(data) < length:
        return None
    if command == _LOCAL or family in _FAMILIES_WITHOUT_ADDRESS:
        return ProxyHeader(length)
    if family not in _ADDRESS_BYTES:
        raise MalformedProxyHeader("the client's address is of an unknown family")
    client_size, addresses_size = _ADDRESS_BYTES[family]
    if size < addresses_size:
        raise MalformedProxyHeader("the header ends within the addresses")
    client = str(ip_address(data[_V2_FIXED_BYTES : _V2_FIXED_BYTES + client_size]))
    return ProxyHeader(length, client, _is_over_tls(data[_V2_FIXED_BYTES + addresses_size : length]))


def _is_over_tls(records: bytes) -> bool:
    is_tls = False
    while records:
        if len(records) < 3:
            raise MalformedProxyHeader("the header ends within a record")
        kind, size = struct.unpack_from("!BH", records)
        value, records = records[3 : 3 + size], records[3 + size :]
        if len(value) < size:
            raise MalformedProxyHeader("the header ends within a record")
        if kind == _PP2_TYPE_SSL:
            is_tls = bool(value and value[0] & _PP2_CLIENT_SSL)
    return is_tls
