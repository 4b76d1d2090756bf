"""Owns which of an upstream's addresses is asked next, and what becomes of those that fail.

Failure policy: an address that keeps failing is left out for a while (outlier_detection.py). An upstream without a
sign of life gets no requests (circuit_breaker.py). One that dies with many requests under way is not its failure,
as long as another one is well. At least one address is always in: when the last one goes out, the one that
was to return first is back at once. What failed to connect was not sent, so any request may try the next address.

A client chooses which of a service's paths it asks for, so what one path does never shuts out the others: an answer
that breaks off or is malformed opens no circuit, and ejects an address only where another one has no failure, and
never more than half of them.
"""

import errno
import math
import random
from collections.abc import Callable, Collection, Sequence

from chassis.clock import Clock
from contract.problems import Refused, spread
from gateway.routing.routes import Address, Upstream
from gateway.routing.upstream_tls import tls_reason
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstream_connections.happy_eyeballs import HappyEyeballs
from gateway.upstreams import circuit_breaker, outlier_detection
from gateway.upstreams.circuit_breaker import CircuitBreaker
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.outlier_detection import OutlierState


def _stretch() -> float:
    return random.uniform(1, 1.5)  # noqa: S311 - spreads load, no secret


class Balancer:
    """The pools of one upstream, one for each member; the members may change. `monotonic` gives seconds.

    `only` is the pool of an upstream with one address while nothing is wrong: then there is nothing to choose.
    """

    def __init__(
        self,
        upstream: Upstream,
        report: UpstreamEvents,
        monotonic: Clock,
        stretch: Callable[[], float] = _stretch,
    ) -> None:
        self.upstream = upstream
        self.pools = tuple(map(self._pool, upstream.addresses))
        self.only = self.pools[0] if len(self.pools) == 1 else None
        self._draining: list[ConnectionPool] = []
        self._happy_eyeballs = HappyEyeballs()
        self.now = monotonic
        """The time by which `failed` is told when a request was sent."""
        self._report = report
        self._stretch = stretch
        self._circuit_breaker = CircuitBreaker()
        self._standings = {pool: OutlierState() for pool in self.pools}
        self._unhealthy: set[ConnectionPool] = set()
        self._candidates: Sequence[ConnectionPool] = self.pools
        self._on_trial = False
        self._turn = 0

    # --- which is asked ------------------------------------------------------------------------------------------

    def choose(self, client: str = "") -> ConnectionPool:
        """The address with the fewest exchanges under way; of equals, each in its turn. `client` is who asks.

        Raises Refused(503) while the circuit is open.
        """
        if not self._circuit_breaker.is_calm:
            self._pass_circuit(client)
        return self._least_busy(self._candidates)

    async def connect(self, pool: ConnectionPool, timeout: float) -> tuple[ConnectionPool, UpstreamConnection]:
        """A connection to the address of `pool`, or to another one where that cannot be reached.

        All of that takes `timeout` seconds at most. Raises Unreachable when all that were tried cannot be reached,
        and Refused(503) at the bound of connections.
        """
        asked_at = self.now()

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            try:
                return await pool.connect(timeout)
            except Unreachable as error:
                if not _is_our_own(error):
                    self._address_failed(pool, str(error), asked_at)
                raise

        try:
            if len(self._candidates) == 1 and self._candidates[0] is pool:
                return pool, await attempt(pool, timeout)
            return await self._happy_eyeballs.connect(pool, timeout, attempt, self._next_untried)
        except Unreachable as error:
            if not (_is_our_own(error) or self._another_is_well(pool)):
                self._request_failed(str(error), asked_at)
            raise

    def _next_untried(self, tried: Collection[ConnectionPool]) -> ConnectionPool | None:
        others = [other for other in self._candidates if other not in tried]
        return self._least_busy(others) if others else None

    def _another_is_well(self, pool: ConnectionPool) -> bool:
        return any(other is not pool and self._standings[other].is_calm for other in self._candidates)

    def _pass_circuit(self, client: str) -> None:
        now = self.now()
        state, may_pass = circuit_breaker.after_asking(self._circuit_breaker, now, client)
        self._become(state)
        if not may_pass:
            code = "auth_unavailable" if self.upstream.takes_credentials else "upstream_unavailable"
            raise Refused(code, retry_after=spread(max(1, math.ceil(state.until - now))))

    def _least_busy(self, pools: Sequence[ConnectionPool]) -> ConnectionPool:
        self._turn += 1
        turn = self._turn % len(pools)
        return min((*pools[turn:], *pools[:turn]), key=self._burden if self._on_trial else _outstanding)

    def _burden(self, pool: ConnectionPool) -> tuple[bool, int]:
        """Who is on trial and has all it is to be given comes after everybody else."""
        return 0 < self._standings[pool].trial <= pool.outstanding, pool.outstanding

    # --- who they are --------------------------------------------------------------------------------------------

    def set_members(self, addresses: Sequence[Address]) -> None:
        """Make `addresses` the members. One that has gone finishes its exchanges, and gets no more requests."""
        known = {pool.address: pool for pool in self.pools}
        members = dict.fromkeys(addresses)
        if members.keys() == known.keys() or not members:
            return
        self.pools = tuple(known.get(address) or self._pool(address) for address in members)
        gone = [pool for address, pool in known.items() if address not in members]
        for pool in gone:
            self._standings.pop(pool)
            self._unhealthy.discard(pool)
            pool.retire()
            self._draining.append(pool)
        if len(gone) == len(known):  # what is known of those that have gone says nothing of the new ones
            self._become(circuit_breaker.after_answer())
        joined = [pool.address.name for pool in self.pools if pool not in self._standings]
        self._standings = {pool: self._standings.get(pool, OutlierState()) for pool in self.pools}
        self._report.members_are(joined, [pool.address.name for pool in gone])
        self._keep_one_in()
        self._arrange()

    def _pool(self, address: Address) -> ConnectionPool:
        upstream = self.upstream
        return ConnectionPool(
            address,
            upstream.max_connections,
            max_age=upstream.max_connection_age,
            max_requests=upstream.max_connection_requests,
        )

    # --- how they fare -------------------------------------------------------------------------------------------

    def record_failure(self, pool: ConnectionPool, failed: UpstreamFailed, asked_at: float) -> None:
        """Record a request, sent at `asked_at`, that got no answer or one that cannot be handed on.

        Silence counts only where nobody else was answered since: otherwise it is not the service that hangs.
        """
        if failed.reason in ("timeout", "overdue"):
            seconds = self.now() - asked_at
            if not pool.responded_within(seconds):
                heard = any(other.responded_within(seconds) for other in self.pools)
                self.record_no_response(pool, failed.reason, asked_at, upstream_is_alive=heard)
        elif reason := tls_reason(failed.__cause__):  # TLS 1.3 tells of a certificate refused after the handshake
            self.record_no_response(pool, reason, asked_at)
        else:
            pool.record_activity()
            self.record_broken_response(pool, failed.reason, asked_at, failed.detail)

    def record_no_response(
        self, pool: ConnectionPool, reason: str, asked_at: float, *, upstream_is_alive: bool = False
    ) -> None:
        """Record a request, sent at `asked_at`, to which the address gave no sign of life."""
        self._address_failed(pool, reason, asked_at)
        if not upstream_is_alive and not self._another_is_well(pool):
            self._request_failed(reason, asked_at)

    def record_broken_response(self, pool: ConnectionPool, reason: str, asked_at: float, detail: str = "") -> None:
        """Record an answer that was cut off before its end, or malformed: a fault, and a sign of life."""
        self._become(circuit_breaker.after_answer())
        others_are_well = self._another_is_well(pool) and self._out_count() < len(self.pools) // 2
        self._address_failed(pool, reason, asked_at, detail, may_eject=others_are_well)

    def set_health(self, pool: ConnectionPool, *, healthy: bool, reason: str) -> None:
        """Is told what the health checks of an address have come to."""
        if pool not in self._standings:
            return
        if healthy:
            self._unhealthy.discard(pool)
            self._report.is_healthy(pool.address.name, out=self._standings[pool].is_out)
        else:
            self._unhealthy.add(pool)
            self._report.is_unhealthy(pool.address.name, reason)
        self._arrange()

    def sweep(self, loop_now: float) -> None:
        """Enforces deadlines by the loop's time, and takes addresses back whose time is over."""
        for pool in (*self.pools, *self._draining):
            pool.sweep(loop_now)
        if self._draining:
            self._draining = [pool for pool in self._draining if pool.outstanding]
        now = self.now()
        for pool, standing in self._standings.items():
            if standing.is_out and now >= standing.out_until:
                self._readmit(pool)

    def _address_failed(
        self, pool: ConnectionPool, reason: str, asked_at: float, detail: str = "", *, may_eject: bool = True
    ) -> None:
        self._report.fails(pool.address.name, reason, detail)
        if len(self.pools) > 1 and pool in self._standings:
            self._weigh(pool, reason, asked_at, may_eject=may_eject)
        self._arrange()

    def _out_count(self) -> int:
        return sum(standing.is_out for standing in self._standings.values())

    def _weigh(self, pool: ConnectionPool, reason: str, asked_at: float, *, may_eject: bool) -> None:
        before, now, stretch = self._standings[pool], self.now(), self._stretch()
        after = outlier_detection.after_failure(
            before, asked_at=asked_at, now=now, eject_after=self.upstream.eject_after, stretch=stretch
        )
        if after.is_out and not may_eject:
            return
        self._standings[pool] = after
        if before.is_out or not after.is_out:
            return
        self._report.is_ejected(pool.address.name, reason, after.out_until - now)
        self._keep_one_in()

    def _keep_one_in(self) -> None:
        if self._out_count() == len(self.pools):
            self._readmit(min(self.pools, key=lambda other: self._standings[other].out_until))

    def _readmit(self, pool: ConnectionPool) -> None:
        self._standings[pool] = outlier_detection.readmitted(self._standings[pool], self.now())
        self._report.is_back(pool.address.name, out=pool in self._unhealthy)
        self._arrange()

    def _request_failed(self, reason: str, asked_at: float) -> None:
        break_after, stretch = self.upstream.break_after, self._stretch()
        state = circuit_breaker.after_failure(
            self._circuit_breaker, asked_at=asked_at, now=self.now(), break_after=break_after, stretch=stretch
        )
        self._become(state, reason)
        self._arrange()

    def _answered(self, pool: ConnectionPool) -> None:
        if pool in self._standings:
            self._standings[pool] = outlier_detection.after_answer(self._standings[pool])
        self._become(circuit_breaker.after_answer())
        self._arrange()

    # --- what follows --------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Closes every connection."""
        self._happy_eyeballs.close()
        for pool in (*self.pools, *self._draining):
            pool.close()

    def _become(self, state: CircuitBreaker, reason: str = "") -> None:
        before, self._circuit_breaker = self._circuit_breaker.state, state
        if state.state != before:
            self._report.circuit_is(state.state, reason)

    def _arrange(self) -> None:
        """Works out what requests go by until the next change."""
        let_in = [pool for pool in self.pools if not self._standings[pool].is_out]
        # A check alone refuses no request: where all that are in are unhealthy, they are asked all the same.
        self._candidates = [pool for pool in let_in if pool not in self._unhealthy] or let_in
        self._on_trial = any(standing.trial for standing in self._standings.values())
        self.only = self.pools[0] if len(self.pools) == 1 and self._circuit_breaker.is_calm else None
        for pool in self.pools:
            is_calm = self._circuit_breaker.is_calm and self._standings[pool].is_calm
            pool.on_response = None if is_calm else self._answered


_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
"""What keeps this process from connecting to anything: no file descriptors, memory or ports."""


def _is_our_own(error: Unreachable) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _OUR_OWN


def _outstanding(pool: ConnectionPool) -> int:
    return pool.outstanding
