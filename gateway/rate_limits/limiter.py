"""Decides whether a route's rate limits let a request pass, and tells the client how it stands.

Most requests are decided without waiting, by what this worker knows; only near a limit is Redis asked. What is
refused does not count. Clients that have no address of their own (behind a unix socket) are not limited by it.
"""

from collections.abc import Sequence

from chassis.client_network import client_network
from chassis.clock import Clock
from chassis.rates import Rate
from contract.problems import Refused, spread
from gateway.http.request import Request
from gateway.rate_limits.redis_sync import SharedCounts
from gateway.rate_limits.sliding_window import Count, Room
from gateway.routing.routes import ADDRESS, RateLimit

Fields = tuple[tuple[bytes, bytes], ...]


class Limits:
    """The rate limits of one worker."""

    def __init__(self, counts: SharedCounts, clock: Clock) -> None:
        self._counts = counts
        self._clock = clock

    def admit_known(self, limits: Sequence[RateLimit], client: str, subject: str) -> Fields | None:
        """Counts the request under every limit and gives the fields that say how the client stands.

        None, and nothing counted, where Redis has to be asked. Raises Refused(429).
        """
        now = self._clock()
        counts = self._find(limits, client, subject, now)
        rooms = [self._room(count, now) for count in counts]
        full = [count for count, room in zip(counts, rooms, strict=True) if room is Room.NONE]
        if full:  # an address's limits come first, as they do before it is known who asks
            of_address = [count for count in full if count.limit.per == ADDRESS]
            told = self._find(limits, client, "" if of_address else subject, now)
            raise _refusal(told, (of_address or full)[0], now)
        if Room.UNSURE in rooms:
            return None
        for count in counts:
            self._counts.add(count)
        return _told(counts, now)

    async def admit(self, limits: Sequence[RateLimit], *, client: str = "", subject: str = "") -> None:
        """Counts the request under those limits whose key is given, asking where need be.

        Under all of them or, where one has no room, under none. Raises Refused(429).
        """
        now = self._clock()
        counts = self._find(limits, client, subject, now)
        for place, count in enumerate(counts):
            if not await self._admit(count, now):
                for counted in counts[:place]:
                    self._counts.take_back(counted)
                raise _refusal(counts, count, now)

    async def admit_identity(self, limits: Sequence[RateLimit], client: str, subject: str) -> Fields:
        """As admit, for a request that was counted for its address before; gives the fields for the answer.

        Where a limit of the identity refuses it, it does not count for the address either. Raises Refused(429).
        """
        now = self._clock()
        counts = self._find(limits, "", subject, now)
        for place, count in enumerate(counts):
            if not await self._admit(count, now):
                for counted in (*counts[:place], *self._find(limits, client, "", now)):
                    self._counts.take_back(counted)
                raise _refusal(self._find(limits, client, subject, now), count, now)
        return self.standing(limits, client, subject)

    def standing(self, limits: Sequence[RateLimit], client: str, subject: str) -> Fields:
        """The fields that say how the client stands."""
        now = self._clock()
        return _told(self._find(limits, client, subject, now), now)

    def has_room(self, limits: Sequence[RateLimit], client: str) -> bool:
        """Whether the address has room left without asking Redis; counts nothing. Raises Refused(429) for none."""
        now = self._clock()
        counts = self._find(limits, client, "", now)
        rooms = [self._room(count, now) for count in counts]
        if Room.NONE in rooms:
            raise _refusal(counts, counts[rooms.index(Room.NONE)], now)
        return Room.UNSURE not in rooms

    def note_known(self, limits: Sequence[RateLimit], client: str) -> bool:
        """Counts a request that is refused for another reason, for its address. Raises Refused(429).

        False, and nothing counted, where Redis has to be asked.
        """
        if not self.has_room(limits, client):
            return False
        for count in self._find(limits, client, "", self._clock()):
            self._counts.add(count)
        return True

    def _find(self, limits: Sequence[RateLimit], client: str, subject: str, now: float) -> list[Count]:
        """The counts of those limits whose key is known."""
        address = client_network(client)
        keys = [address if limit.per == ADDRESS else subject for limit in limits]
        return [self._counts.of(limit, key, now) for limit, key in zip(limits, keys, strict=True) if key]

    async def _admit(self, count: Count, now: float) -> bool:
        room = self._room(count, now)
        if room is Room.UNSURE:
            return await self._counts.ask(count)
        if room is Room.FREE:
            self._counts.add(count)
        return room is Room.FREE

    def _room(self, count: Count, now: float) -> Room:
        room = count.room(now)
        return Room.FREE if room is Room.UNSURE and self._counts.alone else room


class SessionLimit:
    """The limit of /session/, which is no route; without a `rate` there is none."""

    def __init__(self, limits: Limits, rate: Rate | None) -> None:
        self._limits = limits
        self._limit = (RateLimit("session", ADDRESS, rate),) if rate is not None else ()

    async def check(self, request: Request) -> None:
        """Counts a request for one of the gateway's own endpoints. Raises Refused(429)."""
        if self._limit and request.path.startswith(b"/session"):
            await self._limits.admit(self._limit, client=request.client)


def _refusal(counts: Sequence[Count], full: Count, now: float) -> Refused:
    return Refused(
        "rate_limited",
        f"At most {full.limit.rate} for one {full.limit.per}.",
        retry_after=spread(full.wait(now)),
        headers={name.decode(): value.decode() for name, value in _told(counts, now)},
    )


def _told(counts: Sequence[Count], now: float) -> Fields:
    # draft-ietf-httpapi-ratelimit-headers: `r` is what remains, `t` the seconds until the window is over.
    if not counts:
        return ()
    policy = ", ".join([count.limit.policy for count in counts])
    stands = ", ".join(
        [f"{count.limit.name};r={max(0, int(count.left(now)))};t={count.window_left(now)}" for count in counts]
    )
    return ((b"ratelimit-policy", policy.encode("ascii")), (b"ratelimit", stands.encode("ascii")))
