"""The load balancer of one upstream: it chooses an address for each request and excludes addresses that fail.

Failure policy:
- An address that fails repeatedly is ejected for some seconds (outlier_detection.py). At least one address is always
  admitted: when the last one is ejected, the one with the earliest readmission time is readmitted at once.
- An upstream that gives no sign of life gets no requests (circuit_breaker.py). Failures of one address do not open
  the circuit while another address has no failures.
- A failed connection attempt sent nothing, so any request may be sent to another address.
- Clients choose paths, so the failures of one path must not block the others. A response that is cut off or malformed
  therefore never opens the circuit. It ejects an address only while another address has no failures, and at most
  half of the addresses are ejected this way.
"""

import errno
import math
import random
from collections.abc import Callable, Collection, Sequence

from chassis.clock import Clock
from contract.problems import ProblemCode, Refused, jittered_retry_after
from gateway.routing.routes import Address, Upstream
from gateway.routing.upstream_tls import tls_reason
from gateway.upstream_connections.connection import UpstreamConnection
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstream_connections.happy_eyeballs import HappyEyeballs
from gateway.upstreams import circuit_breaker, outlier_detection
from gateway.upstreams.circuit_breaker import Circuit
from gateway.upstreams.events import UpstreamEvents
from gateway.upstreams.outlier_detection import OutlierState


def _random_jitter() -> float:
    return random.uniform(1, 1.5)  # noqa: S311 - spreads load, no secret


class Balancer:
    """Chooses one of an upstream's connection pools: one for each of its addresses (members), which may change.

    `jitter` returns the random factor by which ejection times and open times are lengthened.
    """

    def __init__(
        self,
        upstream: Upstream,
        events: UpstreamEvents,
        monotonic: Clock,
        jitter: Callable[[], float] = _random_jitter,
    ) -> None:
        self.upstream = upstream
        self.now = monotonic
        """The clock of every `sent_at`, in monotonic seconds."""
        self.pools = tuple(map(self._new_pool, upstream.addresses))
        self.only_pool = self.pools[0] if len(self.pools) == 1 else None
        """The only pool, while the circuit has no failures; else None. `choose` need not be called then."""
        self._events = events
        self._jitter = jitter
        self._removed: list[ConnectionPool] = []
        """Pools of former members that still have exchanges in progress."""
        self._happy_eyeballs = HappyEyeballs()
        self._circuit = Circuit()
        self._outlier_states = {pool: OutlierState() for pool in self.pools}
        self._unhealthy: set[ConnectionPool] = set()
        self._candidates: Sequence[ConnectionPool] = self.pools
        self._any_on_trial = False
        self._round_robin = 0

    # --- choosing an address -------------------------------------------------------------------------------------

    def choose(self, client: str = "") -> ConnectionPool:
        """Return the least-loaded connection pool; round robin among equals.

        `client` is the client's address: a half-open circuit admits only a few requests from each client.
        Raises Refused(503) if the circuit is open.
        """
        if not self._circuit.has_no_failures:
            self._check_circuit(client)
        return self._least_loaded(self._candidates)

    async def connect(self, pool: ConnectionPool, timeout: float) -> tuple[ConnectionPool, UpstreamConnection]:
        """Return a connection to the address of `pool`, or to another one if that is unreachable.

        All attempts together take at most `timeout` seconds. Raises Unreachable if all fail, and Refused(503) if
        `max_connections` is reached.
        """
        sent_at = self.now()

        async def attempt(pool: ConnectionPool, timeout: float) -> UpstreamConnection:
            try:
                return await pool.connect(timeout)
            except Unreachable as error:
                if not _is_local_fault(error):
                    self._record_address_failure(pool, str(error), sent_at)
                raise

        try:
            if len(self._candidates) == 1 and self._candidates[0] is pool:
                return pool, await attempt(pool, timeout)
            return await self._happy_eyeballs.connect(pool, timeout, attempt, self._next_untried)
        except Unreachable as error:
            if not (_is_local_fault(error) or self._another_has_no_failures(pool)):
                self._record_circuit_failure(str(error), sent_at)
            raise

    def _next_untried(self, tried: Collection[ConnectionPool]) -> ConnectionPool | None:
        untried = [pool for pool in self._candidates if pool not in tried]
        return self._least_loaded(untried) if untried else None

    def _another_has_no_failures(self, pool: ConnectionPool) -> bool:
        return any(other is not pool and self._outlier_states[other].has_no_failures for other in self._candidates)

    def _check_circuit(self, client: str) -> None:
        """Raise Refused(503) unless the circuit lets a request of this client pass."""
        now = self.now()
        circuit, passes = circuit_breaker.after_request(self._circuit, now, client)
        self._set_circuit(circuit)
        if not passes:
            code: ProblemCode = "auth_unavailable" if self.upstream.takes_credentials else "upstream_unavailable"
            raise Refused(code, retry_after=jittered_retry_after(max(1, math.ceil(circuit.until - now))))

    def _least_loaded(self, pools: Sequence[ConnectionPool]) -> ConnectionPool:
        self._round_robin += 1
        start = self._round_robin % len(pools)
        load = self._load_with_trials if self._any_on_trial else _outstanding
        return min((*pools[start:], *pools[:start]), key=load)

    def _load_with_trials(self, pool: ConnectionPool) -> tuple[bool, int]:
        """Return a sort key that puts an address on trial last once it has as many requests as its trial allows."""
        return 0 < self._outlier_states[pool].trial_requests <= pool.outstanding, pool.outstanding

    # --- members -------------------------------------------------------------------------------------------------

    def set_members(self, addresses: Sequence[Address]) -> None:
        """Replace the members by `addresses`; an empty list changes nothing.

        A removed address gets no further requests; its exchanges finish.
        """
        known = {pool.address: pool for pool in self.pools}
        members = dict.fromkeys(addresses)
        if members.keys() == known.keys() or not members:
            return
        self.pools = tuple(known.get(address) or self._new_pool(address) for address in members)
        removed = [pool for address, pool in known.items() if address not in members]
        for pool in removed:
            self._outlier_states.pop(pool)
            self._unhealthy.discard(pool)
            pool.retire()
            self._removed.append(pool)
        if len(removed) == len(known):  # the circuit's failures were those of the former members
            self._set_circuit(Circuit())
        added = [pool.address.name for pool in self.pools if pool not in self._outlier_states]
        self._outlier_states = {pool: self._outlier_states.get(pool, OutlierState()) for pool in self.pools}
        self._events.members_changed(added, [pool.address.name for pool in removed])
        self._keep_one_admitted()
        self._update_candidates()

    def _new_pool(self, address: Address) -> ConnectionPool:
        upstream = self.upstream
        return ConnectionPool(
            address,
            upstream.max_connections,
            max_age=upstream.max_connection_age,
            max_requests=upstream.max_connection_requests,
        )

    # --- recording failures --------------------------------------------------------------------------------------

    def record_failure(self, pool: ConnectionPool, failure: UpstreamFailed, sent_at: float) -> None:
        """Record a failed exchange whose request was sent at `sent_at` (seconds of `self.now`).

        A timeout counts only if no other request got a response from the address meanwhile: the path may be slow.
        """
        if failure.reason in ("timeout", "overdue"):  # the read timeout and the total timeout
            seconds = self.now() - sent_at
            if not pool.responded_within(seconds):
                is_alive = any(other.responded_within(seconds) for other in self.pools)
                self.record_no_response(pool, failure.reason, sent_at, upstream_is_alive=is_alive)
        elif reason := tls_reason(failure.__cause__):  # TLS 1.3 reports a refused client certificate after connecting
            self.record_no_response(pool, reason, sent_at)
        else:
            pool.record_activity()
            self.record_broken_response(pool, failure.reason, sent_at, failure.detail)

    def record_no_response(
        self, pool: ConnectionPool, reason: str, sent_at: float, *, upstream_is_alive: bool = False
    ) -> None:
        """Record a request, sent at `sent_at`, after which the address gave no sign of life.

        With `upstream_is_alive`, because another address has responded, the circuit does not change.
        """
        self._record_address_failure(pool, reason, sent_at)
        if not upstream_is_alive and not self._another_has_no_failures(pool):
            self._record_circuit_failure(reason, sent_at)

    def record_broken_response(self, pool: ConnectionPool, reason: str, sent_at: float, detail: str = "") -> None:
        """Record a response that was cut off or malformed: a failure, and a sign of life."""
        self._set_circuit(circuit_breaker.after_response())
        may_eject = self._another_has_no_failures(pool) and self._ejected_count() < len(self.pools) // 2
        self._record_address_failure(pool, reason, sent_at, detail, may_eject=may_eject)

    def set_health(self, pool: ConnectionPool, *, healthy: bool, reason: str) -> None:
        """Record that an address became healthy or unhealthy; `reason` says why its health checks fail."""
        if pool not in self._outlier_states:  # no member any more
            return
        if healthy:
            self._unhealthy.discard(pool)
            self._events.became_healthy(pool.address.name, excluded=self._outlier_states[pool].is_ejected)
        else:
            self._unhealthy.add(pool)
            self._events.became_unhealthy(pool.address.name, reason)
        self._update_candidates()

    def _record_response(self, pool: ConnectionPool) -> None:
        if pool in self._outlier_states:
            self._outlier_states[pool] = outlier_detection.after_response(self._outlier_states[pool])
        self._set_circuit(circuit_breaker.after_response())
        self._update_candidates()

    def _record_address_failure(
        self, pool: ConnectionPool, reason: str, sent_at: float, detail: str = "", *, may_eject: bool = True
    ) -> None:
        self._events.request_failed(pool.address.name, reason, detail)
        if len(self.pools) > 1 and pool in self._outlier_states:
            self._update_outlier_state(pool, reason, sent_at, may_eject=may_eject)
        self._update_candidates()

    def _update_outlier_state(self, pool: ConnectionPool, reason: str, sent_at: float, *, may_eject: bool) -> None:
        """Add a failure to the address's history, and eject the address if that is due and `may_eject`."""
        before, now = self._outlier_states[pool], self.now()
        after = outlier_detection.after_failure(
            before, sent_at=sent_at, now=now, eject_after=self.upstream.eject_after, jitter=self._jitter()
        )
        if after.is_ejected and not may_eject:
            return
        self._outlier_states[pool] = after
        if after.is_ejected and not before.is_ejected:
            self._events.ejected(pool.address.name, reason, after.ejected_until - now)
            self._keep_one_admitted()

    def _ejected_count(self) -> int:
        return sum(state.is_ejected for state in self._outlier_states.values())

    def _record_circuit_failure(self, reason: str, sent_at: float) -> None:
        circuit = circuit_breaker.after_failure(
            self._circuit,
            sent_at=sent_at,
            now=self.now(),
            break_after=self.upstream.break_after,
            jitter=self._jitter(),
        )
        self._set_circuit(circuit, reason)
        self._update_candidates()

    # --- recovery ------------------------------------------------------------------------------------------------

    def sweep(self, loop_now: float) -> None:
        """Enforce the connections' deadlines, and readmit addresses whose ejection time is over."""
        for pool in (*self.pools, *self._removed):
            pool.sweep(loop_now)
        if self._removed:
            self._removed = [pool for pool in self._removed if pool.outstanding]
        now = self.now()
        for pool, state in self._outlier_states.items():
            if state.is_ejected and now >= state.ejected_until:
                self._readmit(pool)

    def close(self) -> None:
        """Close every connection."""
        self._happy_eyeballs.close()
        for pool in (*self.pools, *self._removed):
            pool.close()

    def _keep_one_admitted(self) -> None:
        if self._ejected_count() == len(self.pools):
            self._readmit(min(self.pools, key=lambda pool: self._outlier_states[pool].ejected_until))

    def _readmit(self, pool: ConnectionPool) -> None:
        self._outlier_states[pool] = outlier_detection.after_readmission(self._outlier_states[pool], self.now())
        self._events.readmitted(pool.address.name, excluded=pool in self._unhealthy)
        self._update_candidates()

    def _set_circuit(self, circuit: Circuit, reason: str = "") -> None:
        before, self._circuit = self._circuit, circuit
        if circuit.state != before.state:
            self._events.circuit_changed(circuit.state, reason)

    def _update_candidates(self) -> None:
        """Recompute the attributes that requests read, after a change of state."""
        admitted = [pool for pool in self.pools if not self._outlier_states[pool].is_ejected]
        # Health checks never exclude every address: if all admitted addresses are unhealthy, all of them are used.
        self._candidates = [pool for pool in admitted if pool not in self._unhealthy] or admitted
        self._any_on_trial = any(state.trial_requests for state in self._outlier_states.values())
        self.only_pool = self.pools[0] if len(self.pools) == 1 and self._circuit.has_no_failures else None
        for pool in self.pools:
            no_failures = self._circuit.has_no_failures and self._outlier_states[pool].has_no_failures
            pool.on_response = None if no_failures else self._record_response


_LOCAL_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})
"""Errors of this process, not of an address: no file descriptors, memory or ports are left."""


def _is_local_fault(error: Unreachable) -> bool:
    return error.errno in _LOCAL_ERRNOS


def _outstanding(pool: ConnectionPool) -> int:
    return pool.outstanding
