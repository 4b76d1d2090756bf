"""Keeps the members of an upstream equal to the addresses that the names in its `urls` have.

Failure policy: while a name cannot be resolved its last addresses stay. A lookup runs in a thread, so that a slow
name server delays no request, and never twice at once for one name. getaddrinfo tells no TTL (RFC 3493 6.1), so names
are looked up again at an interval.
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
"""The IP addresses of a host's name; the second argument is a port. Raises OSError."""

LOOKUP_TIMEOUT = 5.0
"""Seconds."""

FIRST_LOOKUP_TIMEOUT = 1.0
"""Seconds that a start waits for names. Until one is resolved, no connection is made to it."""

RETRY_PAUSE = 1.0
"""Seconds after which a failed lookup is repeated at the latest."""

_log = structlog.get_logger("upstream")


async def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses that /etc/hosts and the name servers give, both families. Raises OSError."""
    loop = asyncio.get_running_loop()
    # ADDRCONFIG: no IPv6 address for a machine that has none itself.
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(place[0]) for *_, place in found]


async def resolve_first(resolvers: Iterable["NameResolver"]) -> None:
    """Look up every name before the first request, for FIRST_LOOKUP_TIMEOUT seconds at most."""
    lookups = [asyncio.ensure_future(resolver.resolve_once()) for resolver in resolvers]
    if lookups:
        _, slow = await asyncio.wait(lookups, timeout=FIRST_LOOKUP_TIMEOUT)
        for lookup in slow:
            lookup.cancel()


class NameResolver:
    """The names of one upstream. `interval` is in seconds."""

    def __init__(self, balancer: Balancer, resolve: Resolve, interval: float) -> None:
        self._balancer = balancer
        self._resolve = resolve
        self._interval = interval
        self._known: dict[Address, tuple[str, ...]] = {}
        self._failing: set[Address] = set()
        self._lookups: dict[Address, asyncio.Future[Sequence[str]]] = {}

    async def keep_resolving(self) -> NoReturn:
        """Look up at the interval, more or less a tenth, and sooner after a failure, until cancelled."""
        while True:
            pause = min(self._interval, RETRY_PAUSE) if self._failing else self._interval
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, no secret
            await self.resolve_once()

    async def resolve_once(self) -> None:
        """Look up every name, and give the balancer the members that follow."""
        configured = self._balancer.upstream.addresses
        await asyncio.gather(*(self._look_up(address) for address in configured if address.is_name))
        self._balancer.set_members([member for address in configured for member in self._members(address)])

    def _members(self, address: Address) -> list[Address]:
        known = self._known.get(address)
        return [replace(address, ip=ip) for ip in known] if known else [address]

    async def _look_up(self, address: Address) -> None:
        # One that has not ended since the last time is waited for, and not doubled: each takes a thread.
        lookup = self._lookups.get(address) or asyncio.ensure_future(self._resolve(address.host, address.port))
        self._lookups[address] = lookup
        await asyncio.wait([lookup], timeout=LOOKUP_TIMEOUT)
        if not lookup.done():
            return self._note_failure(address, "timeout")
        del self._lookups[address]
        error = lookup.exception()
        if error is not None and not isinstance(error, (OSError, UnicodeError)):
            raise error
        found = tuple(sorted(set(lookup.result()))) if error is None else ()
        if not found:
            return self._note_failure(address, str(error or "no address"))
        self._known[address] = found
        if address in self._failing:
            self._failing.remove(address)
            _log.info("upstream_name_resolved", upstream=self._balancer.upstream.name, host=address.host)
        return None

    def _note_failure(self, address: Address, reason: str) -> None:
        if address not in self._failing:
            self._failing.add(address)
            name, kept = self._balancer.upstream.name, self._known.get(address, ())
            _log.warning("upstream_name_unresolved", upstream=name, host=address.host, reason=reason, kept=kept)
