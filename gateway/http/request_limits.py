"""Limits on the size of a request's head, which RFC 9112 3 and RFC 9110 5.4 leave to the server.

The defaults are similar to those of common proxies: nginx accepts 32 KB in four buffers of 8 KB, HAProxy 15 KB, Envoy
60 KB; HAProxy and Envoy accept about 100 fields. RFC 9112 3 recommends at least 8,000 bytes for the request line. A
request within these limits, with the fields that the gateway adds, is within the limits of the project's services
(chassis/startup.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Maximum sizes of a request's head."""

    header_fields: int = 100
    """Fields in the header section."""
    header_bytes: int = 32_768
    """Bytes of the header section: the name and value of each field, plus four for `: ` and CRLF."""
    target_bytes: int = 8_000
    """Bytes of path and query."""

    @property
    def max_bytes_outside_bodies(self) -> int:
        """Return the largest number of consecutive bytes outside bodies; more of them end the connection.

        This bounds memory. It is over twice the size of a valid head: a head that is only somewhat too large is read
        to its end, so that its request is refused and logged like any other.
        """
        return 2 * (self.header_bytes + self.target_bytes) + 16_384


DEFAULT_LIMITS = RequestLimits()

HIGHEST_LIMITS = RequestLimits(header_fields=1_000, header_bytes=65_536, target_bytes=8_000)
"""The highest limits that settings may set. gunicorn accepts no request line over 8,190 bytes."""
