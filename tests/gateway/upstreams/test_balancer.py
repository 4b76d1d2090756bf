"""Which address of an upstream is asked, and what becomes of those that fail."""

import asyncio
import errno
import itertools
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from contract.problems import Refused
from gateway.routing.routes import Address, Upstream
from gateway.upstream_connections.connection_pool import ConnectionPool
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstream_connections.happy_eyeballs import MAX_ATTEMPTS
from gateway.upstreams.balancer import Balancer
from gateway.upstreams.circuit_breaker import MAX_PROBES
from gateway.upstreams.events import FAILURE_LOG_INTERVAL, UpstreamEvents
from gateway.upstreams.metrics import UpstreamMetrics
from tests.clocks import MovableClock
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.upstream_connections.pools import exchange

NOBODY = Address("nobody", "127.0.0.1", 1)


def at(upstream: RawUpstream, name: str = "somebody") -> Address:
    return Address(name, "127.0.0.1", upstream.port)


def numbered(count: int) -> tuple[Address, ...]:
    return tuple(Address(f"h{number}", "127.0.0.1", 1) for number in range(count))


class Stand:
    """A balancer, its clock and its metrics."""

    def __init__(self, *addresses: Address, name: str = "notes", eject_after: int = 3, break_after: int = 5) -> None:
        self.clock = MovableClock()
        self.registry = CollectorRegistry()
        upstream = Upstream(name, addresses, name, None, 100, eject_after=eject_after, break_after=break_after)
        report = UpstreamEvents(upstream, UpstreamMetrics(self.registry), self.clock)
        self.balancer = Balancer(upstream, report, self.clock, lambda: 1.0)
        self.pools = self.balancer.pools

    def fail(self, pool: ConnectionPool, times: int = 1) -> None:
        """So many requests are sent to it and not answered."""
        for _ in range(times):
            self.balancer.record_no_response(pool, "timeout", self.clock())

    def break_off(self, pool: ConnectionPool, times: int = 1) -> None:
        """So many of its answers break off."""
        for _ in range(times):
            self.balancer.record_broken_response(pool, "broken", self.clock())

    def answer(self, pool: ConnectionPool, times: int = 1) -> None:
        """So many requests are answered by it."""
        for _ in range(times):
            if pool.on_response is not None:
                pool.on_response(pool)

    def move(self, seconds: float) -> None:
        """Time passes, and the sweep has seen it."""
        self.clock.move(seconds)
        self.balancer.sweep(0.0)

    def asked(self, times: int = 12) -> set[str]:
        """Who is asked, of so many requests one after the other."""
        return {self.balancer.choose().address.name for _ in range(times)}

    def costs_nothing(self) -> bool:
        """Whether requests are given the one address without a question, and answers are not told."""
        return self.balancer.only_pool is not None and self.pools[0].on_response is None

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"sallyport_gateway_upstream_{name}", {"upstream": "notes", **labels})


@pytest.fixture
def trio() -> Stand:
    """Three addresses; who they are does not matter as long as nobody connects."""
    return Stand(*numbered(3))


def run(test: Callable[[], Awaitable[None]], *stands: Stand) -> None:
    async def whole() -> None:
        try:
            await test()
        finally:
            for pool in itertools.chain.from_iterable(stand.pools for stand in stands):
                pool.close()
            await asyncio.sleep(0)

    asyncio.run(whole())


# --- while all is well ---------------------------------------------------------------------------------------------


def test_of_equals_each_is_asked_in_its_turn(trio: Stand) -> None:
    """A single client that waits for every answer uses them all."""
    asked = [trio.balancer.choose().address.name for _ in range(6)]
    assert sorted(asked[:3]) == sorted(asked[3:]) == ["h0", "h1", "h2"]


def test_an_upstream_that_is_well_is_asked_without_a_word(upstream: RawUpstream) -> None:
    """What this costs a request: one look at `only`, and one at `on_answer`."""
    one = Stand(at(upstream))
    assert one.costs_nothing()
    one.fail(one.pools[0])
    assert not one.costs_nothing()
    one.answer(one.pools[0])
    assert one.costs_nothing()


# --- an address that fails -----------------------------------------------------------------------------------------


def test_an_address_that_keeps_failing_is_left_out_for_a_while(trio: Stand) -> None:
    trio.fail(trio.pools[0], 2)
    assert trio.asked() == {"h0", "h1", "h2"}
    trio.fail(trio.pools[0])
    assert trio.asked() == {"h1", "h2"}
    trio.move(0.9)
    assert trio.asked() == {"h1", "h2"}
    trio.move(0.2)
    assert trio.asked() == {"h0", "h1", "h2"}


def test_one_that_fails_on_trial_is_out_for_twice_as_long(trio: Stand) -> None:
    trio.fail(trio.pools[0], 3)
    trio.move(1)
    trio.fail(trio.pools[0])
    trio.move(1.9)
    assert "h0" not in trio.asked()
    trio.move(0.1)
    assert "h0" in trio.asked()


def test_on_trial_it_is_given_one_request_at_a_time_then_more(upstream: RawUpstream) -> None:
    """The others may have many under way: a crowd does not fall upon who has just come back."""
    pair = Stand(at(upstream, "h0"), at(upstream, "h1"))

    async def test() -> None:
        first, second = pair.pools
        pair.fail(first, 3)
        pair.move(1)
        for _ in range(5):
            await second.connect(1)
        assert pair.balancer.choose() is first
        await first.connect(1)
        assert pair.asked() == {"h1"}
        pair.answer(first)
        assert pair.asked() == {"h0"}
        await first.connect(1)
        assert pair.asked() == {"h1"}

    run(test, pair)


def test_when_all_fail_one_is_still_asked() -> None:
    stand = Stand(*numbered(3), break_after=0)
    for _ in range(4):
        for pool in stand.pools:
            stand.fail(pool)
        assert len(stand.asked()) >= 1
    assert len(stand.asked()) == 1


_EVENTS = st.tuples(
    st.integers(0, 2), st.sampled_from(["fail", "break off", "answer", "healthy", "unhealthy", "wait"])
)


@given(st.lists(_EVENTS, max_size=60))
def test_whatever_happens_somebody_can_be_asked(events: list[tuple[int, str]]) -> None:
    """Every address that is sound is asked; one that is unhealthy is asked only where none is sound."""
    stand = Stand(*numbered(3), break_after=0)
    unhealthy: set[int] = set()
    failed: set[int] = set()
    for place, event in events:
        pool = stand.pools[place]
        if event == "fail":
            stand.fail(pool)
        elif event == "break off":
            stand.break_off(pool)
        elif event == "answer":
            stand.answer(pool)
        elif event == "wait":
            stand.move(1)
        else:
            stand.balancer.set_health(pool, healthy=event == "healthy", reason="test")
            (unhealthy.discard if event == "healthy" else unhealthy.add)(place)
        if event in ("fail", "break off"):
            failed.add(place)
        asked = {int(name.removeprefix("h")) for name in stand.asked(3)}
        sound = {0, 1, 2} - unhealthy - failed
        assert asked >= sound
        assert asked.isdisjoint(unhealthy) or not sound


def test_silence_counts_only_where_nobody_else_was_answered(upstream: RawUpstream) -> None:
    """A path that is slow by itself does not shut the service for everybody; one that hangs altogether is seen."""
    pair = Stand(at(upstream), NOBODY)

    async def test() -> None:
        pool = pair.pools[0]
        await exchange(pool, await pool.connect(1))
        for _ in range(10):
            pair.balancer.record_failure(pool, UpstreamFailed("timeout"), pair.clock() - 30)
        assert "somebody" in pair.asked()
        for _ in range(3):
            pair.balancer.record_failure(pool, UpstreamFailed("timeout"), pair.clock())
        assert "somebody" not in pair.asked()

    run(test, pair)


# --- connecting ----------------------------------------------------------------------------------------------------


def test_who_cannot_be_reached_is_passed_over(upstream: RawUpstream) -> None:
    """The request is not lost, and after three of them the address is not tried any more."""
    pair = Stand(NOBODY, at(upstream))

    async def test() -> None:
        for _ in range(3):
            pool, connection = await pair.balancer.connect(pair.pools[0], 1)
            assert pool is pair.pools[1]
            await exchange(pool, connection)
        assert pair.asked() == {"somebody"}

    run(test, pair)


def test_a_request_tries_a_few_addresses_and_no_more() -> None:
    many = Stand(*numbered(MAX_ATTEMPTS + 2))

    async def test() -> None:
        with pytest.raises(Unreachable):
            await many.balancer.connect(many.pools[0], 1)

    run(test, many)
    failures = [
        many.metric("failures_total", address=f"h{number}", reason="ConnectionRefusedError")
        for number in range(MAX_ATTEMPTS + 2)
    ]
    assert sum(count or 0 for count in failures) == MAX_ATTEMPTS


# --- the circuit ---------------------------------------------------------------------------------------------------


def refusal(stand: Stand) -> Refused:
    with pytest.raises(Refused) as refused:
        stand.balancer.choose()
    return refused.value


@pytest.mark.parametrize(("name", "code"), [("notes", "upstream_unavailable"), ("auth", "auth_unavailable")])
def test_an_upstream_that_answers_nobody_is_let_alone(name: str, code: str) -> None:
    stand = Stand(*numbered(1), name=name)
    stand.fail(stand.pools[0], 4)
    stand.answer(stand.pools[0])
    stand.fail(stand.pools[0], 4)
    assert stand.asked() == {"h0"}
    stand.fail(stand.pools[0])
    refused = refusal(stand)
    assert (refused.code, refused.status) == (code, 503)
    assert refused.retry_after in (1, 2)


def test_it_is_tried_by_a_few_and_is_back_with_the_first_answer(trio: Stand) -> None:
    for pool in (*trio.pools, *trio.pools, trio.pools[0]):
        trio.fail(pool)
    refusal(trio)
    trio.move(1)
    for client in range(MAX_PROBES):
        trio.balancer.choose(str(client))
    refusal(trio)
    trio.answer(trio.pools[0])
    assert len(trio.asked(30)) == 3


def test_an_address_that_dies_with_many_requests_under_way_does_not_open_the_circuit(trio: Stand) -> None:
    """As long as another one is well: the upstream answers."""
    trio.fail(trio.pools[0], 30)
    assert trio.asked() == {"h1", "h2"}
    trio.fail(trio.pools[1], 30)
    assert trio.asked() == {"h2"}
    trio.fail(trio.pools[2], 5)
    refusal(trio)


def test_an_address_that_others_stand_in_for_does_not_open_the_circuit(upstream: RawUpstream) -> None:
    """What counts is whether the request was answered, by whomever."""
    pair = Stand(NOBODY, at(upstream), eject_after=0)

    async def test() -> None:
        for _ in range(20):
            pool, connection = await pair.balancer.connect(pair.pools[0], 1)
            await exchange(pool, connection)
        assert pair.asked() == {"nobody", "somebody"}

    run(test, pair)


def test_answers_that_break_off_open_no_circuit_and_close_it() -> None:
    """They come from a living service, whose other paths may be well."""
    stand = Stand(*numbered(1))
    stand.break_off(stand.pools[0], 100)
    assert stand.asked() == {"h0"}
    stand.fail(stand.pools[0], 4)
    stand.break_off(stand.pools[0])
    stand.fail(stand.pools[0], 4)
    assert stand.asked() == {"h0"}
    stand.fail(stand.pools[0])
    refusal(stand)
    stand.break_off(stand.pools[0])  # which was sent before
    assert stand.asked() == {"h0"}


def test_answers_that_break_off_eject_one_address_among_others_that_are_well() -> None:
    four = Stand(*numbered(4))
    four.break_off(four.pools[0], 3)
    assert four.asked() == {"h1", "h2", "h3"}
    for _ in range(10):
        four.answer(four.pools[3], 16)
        for pool in four.pools[1:3]:
            four.break_off(pool, 3)
    assert four.asked() == {"h2", "h3"}  # never more than half


def test_a_path_that_breaks_off_at_every_address_ejects_none(trio: Stand) -> None:
    for _ in range(20):
        trio.break_off(trio.balancer.choose())
    assert trio.asked() == {"h0", "h1", "h2"}


def test_silence_counts_only_where_no_address_was_heard(upstream: RawUpstream) -> None:
    """An address that hangs beside one that answers is left out, and the upstream is not."""
    pair = Stand(NOBODY, at(upstream), eject_after=0, break_after=1)

    async def test() -> None:
        await exchange(pair.pools[1], await pair.pools[1].connect(1))
        pair.fail(pair.pools[1])  # so that it is not taken for well by its state
        pair.answer(pair.pools[1])
        pair.balancer.record_failure(pair.pools[0], UpstreamFailed("timeout"), pair.clock() - 30)
        assert pair.balancer.choose() in pair.pools

    run(test, pair)


def test_a_worker_without_file_descriptors_does_not_blame_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger who opens connections until there are no more must not shut out the services as well."""
    stand = Stand(*numbered(1), break_after=1)

    async def no_descriptors(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def test() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", no_descriptors)
        for _ in range(3):
            with pytest.raises(Unreachable):
                await stand.balancer.connect(stand.pools[0], 1)
        assert stand.asked() == {"h0"}

    run(test, stand)


# --- what is said of it --------------------------------------------------------------------------------------------


def test_every_change_is_logged_once() -> None:
    """And the failures between changes are not."""
    stand = Stand(*numbered(2), eject_after=3, break_after=2)
    with capture_logs() as logged:
        stand.fail(stand.pools[0], 3)
        stand.fail(stand.pools[1], 2)
        stand.move(1)
        stand.balancer.choose()
        stand.answer(stand.pools[1])
    said = [f"{line['event']}: {line.get('address', 'all')} {line.get('reason', '')}".strip() for line in logged]
    assert said == [
        "upstream_failing: h0 timeout",
        "upstream_ejected: h0 timeout",
        "upstream_failing: h1 timeout",
        "upstream_circuit_opened: all timeout",
        "upstream_readmitted: h0",
        "upstream_circuit_half_open: all",
        "upstream_circuit_closed: all",
    ]


def test_a_service_that_fails_by_the_thousand_is_a_line_in_ten_seconds() -> None:
    """Which says how many there were; each answer between them changes nothing about that."""
    stand = Stand(*numbered(1), break_after=0)
    with capture_logs() as logged:
        for _ in range(1000):
            stand.fail(stand.pools[0])
            stand.answer(stand.pools[0])
        stand.move(FAILURE_LOG_INTERVAL)
        stand.fail(stand.pools[0])
    assert [(line["event"], line["failures"]) for line in logged] == [
        ("upstream_failing", 1),
        ("upstream_failing", 1000),
    ]
    assert stand.metric("failures_total", address="h0", reason="timeout") == 1001


def test_prometheus_is_told_who_fails_and_who_is_out() -> None:
    trio = Stand(*numbered(3), break_after=3)
    assert trio.metric("circuit") == 0
    assert trio.metric("address_out", address="h0") == 0
    trio.fail(trio.pools[0], 3)
    assert trio.metric("failures_total", address="h0", reason="timeout") == 3
    assert trio.metric("address_out", address="h0") == 1
    for pool in trio.pools[1:] * 2:
        trio.fail(pool)
    assert trio.metric("circuit") == 2
    trio.move(1)
    assert trio.metric("address_out", address="h0") == 0
    trio.balancer.choose()
    assert trio.metric("circuit") == 1
    trio.answer(trio.pools[1])
    assert trio.metric("circuit") == 0


def test_a_check_says_who_is_unhealthy(trio: Stand) -> None:
    """Who is unhealthy is not asked, unless all are: a check alone refuses no request."""
    trio.balancer.set_health(trio.pools[0], healthy=False, reason="503")
    assert trio.asked() == {"h1", "h2"}
    assert trio.metric("address_out", address="h0") == 1
    for pool in trio.pools:
        trio.balancer.set_health(pool, healthy=False, reason="503")
    assert trio.asked() == {"h0", "h1", "h2"}
    trio.balancer.set_health(trio.pools[1], healthy=True, reason="200")
    assert trio.asked() == {"h1"}
