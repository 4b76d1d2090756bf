"""Name resolution: the members of an upstream are the current addresses of the DNS names in its `urls`.

Failure policy: while a name cannot be resolved, its last addresses stay members. A lookup runs in a thread, so that a
slow name server delays no request; each name has at most one lookup at a time. getaddrinfo returns no TTL (RFC 3493
6.1), so names are resolved again at an interval.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import NoReturn

import structlog

from gateway.routing.routes import Address
from gateway.upstreams.balancer import Balancer

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host name; the second argument is a port. Raises OSError."""

LOOKUP_TIMEOUT = 5.0
"""Seconds after which a lookup counts as failed."""

FIRST_LOOKUP_TIMEOUT = 1.0
"""Seconds that a starting worker waits for lookups. No connection to a name is possible until it is resolved."""

RETRY_INTERVAL = 1.0
"""Maximum seconds after which a failed lookup is repeated."""

_log = structlog.get_logger("upstream")


async def resolve_by_system(host: str, port: int) -> list[str]:
    """Return the IPv4 and IPv6 addresses that the system's resolver finds. Raises OSError."""
    loop = asyncio.get_running_loop()
    # AI_ADDRCONFIG: no IPv6 addresses if this machine has no IPv6 address itself.
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(socket_address[0]) for *_, socket_address in found]


async def resolve_first(resolvers: Iterable["NameResolver"]) -> None:
    """Resolve every name before the first request, for at most FIRST_LOOKUP_TIMEOUT seconds."""
    lookups = [asyncio.ensure_future(resolver.resolve_once()) for resolver in resolvers]
    if lookups:
        _, unfinished = await asyncio.wait(lookups, timeout=FIRST_LOOKUP_TIMEOUT)
        for lookup in unfinished:
            lookup.cancel()


class NameResolver:
    """Resolves the names of one upstream every `interval` seconds."""

    def __init__(self, balancer: Balancer, resolve: Resolve, interval: float) -> None:
        self._balancer = balancer
        self._resolve = resolve
        self._interval = interval
        self._resolved: dict[Address, tuple[str, ...]] = {}
        """The IP addresses of each name, from its last successful lookup."""
        self._unresolved: set[Address] = set()
        """Names whose latest lookup failed."""
        self._lookups: dict[Address, asyncio.Future[Sequence[str]]] = {}
        """The lookups in progress."""

    async def keep_resolving(self) -> NoReturn:
        """Resolve at the interval plus or minus 10 %, and sooner after a failure, until cancelled."""
        while True:
            interval = min(self._interval, RETRY_INTERVAL) if self._unresolved else self._interval
            await asyncio.sleep(interval * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, no secret
            await self.resolve_once()

    async def resolve_once(self) -> None:
        """Resolve every name and update the balancer's members."""
        configured = self._balancer.upstream.addresses
        await asyncio.gather(*(self._look_up(address) for address in configured if address.is_name))
        self._balancer.set_members([member for address in configured for member in self._members(address)])

    def _members(self, address: Address) -> list[Address]:
        """Return the members for a configured address: one for each IP address of a resolved name, else itself."""
        resolved = self._resolved.get(address)
        return [replace(address, ip=ip) for ip in resolved] if resolved else [address]

    async def _look_up(self, address: Address) -> None:
        """Look a name up, for at most LOOKUP_TIMEOUT seconds, and store its addresses or the failure."""
        # A lookup that is still running is awaited and not repeated: each one takes a thread.
        lookup = self._lookups.get(address) or asyncio.ensure_future(self._resolve(address.host, address.port))
        self._lookups[address] = lookup
        await asyncio.wait([lookup], timeout=LOOKUP_TIMEOUT)
        if not lookup.done():
            return self._record_failure(address, "timeout")
        del self._lookups[address]
        error = lookup.exception()
        if error is not None and not isinstance(error, (OSError, UnicodeError)):
            raise error
        found = tuple(sorted(set(lookup.result()))) if error is None else ()
        if not found:
            return self._record_failure(address, str(error or "no address"))
        self._resolved[address] = found
        if address in self._unresolved:
            self._unresolved.remove(address)
            _log.info("upstream_name_resolved", upstream=self._balancer.upstream.name, host=address.host)
        return None

    def _record_failure(self, address: Address, error: str) -> None:
        if address not in self._unresolved:
            self._unresolved.add(address)
            name, kept = self._balancer.upstream.name, self._resolved.get(address, ())
            _log.warning("upstream_name_unresolved", upstream=name, host=address.host, error=error, kept=kept)
