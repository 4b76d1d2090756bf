"""The rate limiter: it admits or refuses a request by the limits of its route, and reports the remaining quota.

Most requests are decided by the counts in this worker; a request waits for Redis only near a limit. A refused request
does not count. A client without an IP address (on a unix socket) has no address limits.
"""

from collections.abc import Sequence

from chassis.client_network import client_network
from chassis.clock import Clock
from chassis.rates import Rate
from contract.problems import Refused, jittered_retry_after
from gateway.http.header_fields import HeaderTuple
from gateway.http.request import Request
from gateway.rate_limits.redis_sync import SharedCounters
from gateway.rate_limits.sliding_window import Decision, WindowCounter
from gateway.routing.routes import ADDRESS, IDENTITY, Per, RateLimit
from gateway.suspendable import Suspendable, run, wait_for


class RateLimiter:
    """The rate limits of one worker. `client` is an IP address; `subject` is empty for an anonymous client."""

    def __init__(self, counters: SharedCounters, clock: Clock) -> None:
        self._counters = counters
        self._clock = clock

    def admit_address(self, limits: Sequence[RateLimit], client: str) -> Suspendable[None]:
        """Count a request under the address limits among `limits`, before its client is authenticated.

        Raises Refused(429) if one of them is exhausted; then the request counts under none of them.
        """
        now = self._clock()
        counters = self._counters_for(limits, client, "", now)
        exhausted = yield from self._acquire(counters, now)
        if exhausted is not None:
            raise _refusal(counters, exhausted, now)

    def admit_identity(self, limits: Sequence[RateLimit], client: str, subject: str) -> Suspendable[HeaderTuple]:
        """Count a request under the identity limits among `limits` if it has a subject. Return the RateLimit fields.

        Raises Refused(429) if one of them is exhausted; then the request no longer counts under the address limits.
        """
        now = self._clock()
        counters = self._counters_for(limits, client, subject, now)
        if subject:
            exhausted = yield from self._acquire(_counters_per(counters, IDENTITY), now)
            if exhausted is not None:
                for counter in _counters_per(counters, ADDRESS):
                    self._counters.decrement(counter)
                raise _refusal(counters, exhausted, now)
        return _rate_limit_headers(counters, now)

    def _acquire(self, counters: Sequence[WindowCounter], now: float) -> Suspendable[WindowCounter | None]:
        """Count a request under all of `counters`, or under none if one is exhausted. Return the exhausted one."""
        for index, counter in enumerate(counters):
            decision = counter.decide(now)
            if decision is Decision.CHECK_REDIS and not self._counters.is_local:
                if (yield from wait_for(self._counters.acquire(counter))):
                    continue
            elif decision is not Decision.REFUSE:
                self._counters.increment(counter)
                continue
            for counted in counters[:index]:
                self._counters.decrement(counted)
            return counter
        return None

    def _counters_for(
        self, limits: Sequence[RateLimit], client: str, subject: str, now: float
    ) -> list[WindowCounter]:
        """Return the counters of the limits whose key (the address's network or the subject) is not empty."""
        address = client_network(client)
        counter = self._counters.counter
        return [counter(limit, key, now) for limit in limits if (key := address if limit.per == ADDRESS else subject)]


class SessionEndpointsRateLimit:
    """The rate limit per address of the gateway's endpoints under /session. Without a `rate` there is no limit."""

    def __init__(self, rate_limiter: RateLimiter, rate: Rate | None) -> None:
        self._rate_limiter = rate_limiter
        self._limits = (RateLimit("session", ADDRESS, rate),) if rate is not None else ()

    async def check(self, request: Request) -> None:
        """Count a request if its path begins with /session. Raises Refused(429) if the limit is exhausted."""
        if self._limits and request.path.startswith(b"/session"):
            await run(self._rate_limiter.admit_address(self._limits, request.client))


def _counters_per(counters: Sequence[WindowCounter], per: Per) -> list[WindowCounter]:
    return [counter for counter in counters if counter.limit.per == per]


def _refusal(counters: Sequence[WindowCounter], exhausted: WindowCounter, now: float) -> Refused:
    limit = exhausted.limit
    return Refused(
        "rate_limited",
        f"At most {limit.rate} for one {limit.per}.",
        retry_after=jittered_retry_after(exhausted.retry_after(now)),
        headers={name.decode(): value.decode() for name, value in _rate_limit_headers(counters, now)},
    )


def _rate_limit_headers(counters: Sequence[WindowCounter], now: float) -> HeaderTuple:
    # draft-ietf-httpapi-ratelimit-headers: `r` is the remaining quota, `t` the seconds until the window is over.
    if not counters:
        return ()
    policy = ", ".join([counter.limit.policy for counter in counters])
    remaining = ", ".join(
        [
            f"{counter.limit.name};r={max(0, int(counter.remaining(now)))};t={counter.seconds_until_reset(now)}"
            for counter in counters
        ]
    )
    return ((b"ratelimit-policy", policy.encode()), (b"ratelimit", remaining.encode()))
