"""Carries what needs no waiting: a request that has come whole, a connection that idles, an answer that comes whole.

Most requests are such. Two callbacks carry one here, without a task, a future or an ASGI message: 20 us less than the
way through Exchange (of 70, one worker, ~200 bytes of JSON). Whatever turns out to need more is handed over to
Exchange, which starts from where this stopped.
"""

from typing import Protocol

from gateway.clients.cycle import Cycle
from gateway.pipeline import Passage
from gateway.rate_limits.concurrency import Place
from gateway.redirects import with_client_urls
from gateway.upstreams.connection_pool import ConnectionPool
from gateway.upstreams.upstream_connection import UpstreamConnection


class Owner(Protocol):
    """Who has direct exchanges made."""

    def answered(self, direct: "DirectExchange", status: int) -> None:
        """Is told when one was answered."""

    def take_over(self, direct: "DirectExchange") -> None:
        """Is given one that needs more, later or at once."""


class DirectExchange:
    """One request and its answer, from `started` (seconds since the epoch) on."""

    __slots__ = ("_owner", "connection", "cycle", "passage", "place", "pool", "started")

    def __init__(
        self,
        owner: Owner,
        cycle: Cycle,
        passage: Passage,
        pool: ConnectionPool,
        connection: UpstreamConnection,
        started: float,
        place: Place | None,
    ) -> None:
        self._owner = owner
        self.cycle = cycle
        self.passage = passage
        self.pool = pool
        self.connection = connection
        self.started = started
        self.place = place
        """To be given back when the request is over; None where the route is not bounded."""

    def start(self) -> None:
        """Sends the request."""
        passage, connection = self.passage, self.connection
        route = passage.route
        self.cycle.on_gone = connection.close
        connection.start(
            passage.head(self.pool.host_line),
            self.cycle.take_body(),
            whole=True,
            method=self.cycle.arrival.method,
            keep_cookies=route.keep_cookies,
            total=route.timeouts.total,
        )
        connection.listen(self._heard, route.timeouts.read)

    def _heard(self) -> None:
        connection, cycle = self.connection, self.cycle
        if not connection.complete or connection.failed or cycle.is_blocked:
            self._owner.take_over(self)
            return
        cycle.on_gone = None
        pool, passage = self.pool, self.passage
        if pool.on_answer is not None:
            pool.on_answer(pool)
        status, known, body = connection.status, connection.known, connection.take()
        fixed, standing = passage.route.answer_fields, passage.standing
        request_id = cycle.arrival.request_id.encode("ascii")
        if known is not None and fixed is None and not standing:
            pool.give_back(connection)
            self._owner.answered(self, cycle.answer_known(known, request_id, body))
            return
        headers = connection.headers
        if connection.has_urls:
            headers = with_client_urls(headers, passage.route, passage.template.host, cycle.arrival.scheme)
        if fixed is not None:
            headers = fixed.over(headers)
        pool.give_back(connection)
        fields = [*headers, (b"x-request-id", request_id), *standing]
        self._owner.answered(self, cycle.answer(status, fields, body))
