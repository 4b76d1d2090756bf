"""Bounds of a request's head. RFC 9112 3 and 5.4 leave them to the server.

The defaults are those of proxies in use: nginx takes 32 KB in four buffers of 8 KB, HAProxy 15 KB, Envoy 60 KB;
HAProxy and Envoy take about 100 fields. RFC 9112 3 recommends at least 8,000 bytes for the request line. What these
bounds admit, with the fields that the gateway adds, is below what the services of this project take
(chassis/startup.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The most that a request may have."""

    header_fields: int = 100
    """Fields in the header section."""
    header_bytes: int = 32_768
    """Bytes of the header section: each field's name and value, and four for what stands between and behind them."""
    target_bytes: int = 8_000
    """Bytes of path and query."""

    @property
    def unread_bytes(self) -> int:
        """Bytes that are no body and may come in a row before the connection is refused.

        A bound for memory: over twice what may be admitted, so that a request that is somewhat too large is still
        read to its end and answered with its own request id.
        """
        return 2 * (self.header_bytes + self.target_bytes) + 16_384


DEFAULT_LIMITS = RequestLimits()

HIGHEST_LIMITS = RequestLimits(header_fields=1_000, header_bytes=65_536, target_bytes=8_000)
"""The most that settings may allow. gunicorn takes no request line over 8,190 bytes."""
