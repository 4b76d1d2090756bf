"""Which address of an upstream is chosen, and which addresses are excluded."""

import asyncio
import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.routes import Address
from gateway.upstream_connections.errors import Unreachable, UpstreamFailed
from gateway.upstream_connections.happy_eyeballs import MAX_ATTEMPTS
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.upstream_connections.pools import exchange
from tests.gateway.upstreams.balancers import UNREACHABLE, BalancerHarness, address_of, run, unreachable_addresses

# --- choosing ------------------------------------------------------------------------------------------------------


def test_equally_loaded_addresses_take_turns(harness: BalancerHarness) -> None:
    """A single client that waits for each response uses all addresses."""
    chosen = [harness.balancer.choose().address.name for _ in range(6)]
    assert sorted(chosen[:3]) == sorted(chosen[3:]) == ["h0", "h1", "h2"]


def test_one_address_without_failures_needs_no_choice(upstream: RawUpstream) -> None:
    """A request then reads only `only_pool` and `on_response`."""
    harness = BalancerHarness(address_of(upstream))
    assert harness.has_shortcut()
    harness.time_out(harness.pools[0])
    assert not harness.has_shortcut()
    harness.respond(harness.pools[0])
    assert harness.has_shortcut()


# --- ejection ------------------------------------------------------------------------------------------------------


def test_an_address_is_ejected_after_three_failures_and_readmitted_after_a_second(harness: BalancerHarness) -> None:
    harness.time_out(harness.pools[0], 2)
    assert harness.chosen() == {"h0", "h1", "h2"}
    harness.time_out(harness.pools[0])
    assert harness.chosen() == {"h1", "h2"}
    harness.move(0.9)
    assert harness.chosen() == {"h1", "h2"}
    harness.move(0.2)
    assert harness.chosen() == {"h0", "h1", "h2"}


def test_a_failure_on_trial_ejects_for_twice_as_long(harness: BalancerHarness) -> None:
    harness.time_out(harness.pools[0], 3)
    harness.move(1)
    harness.time_out(harness.pools[0])
    harness.move(1.9)
    assert "h0" not in harness.chosen()
    harness.move(0.1)
    assert "h0" in harness.chosen()


def test_an_address_on_trial_gets_one_concurrent_request_then_more(upstream: RawUpstream) -> None:
    """Least load alone would send it every request, because the others have many in progress."""
    harness = BalancerHarness(address_of(upstream, "h0"), address_of(upstream, "h1"))

    async def test() -> None:
        first, second = harness.pools
        harness.time_out(first, 3)
        harness.move(1)
        for _ in range(5):
            await second.connect(1)
        assert harness.balancer.choose() is first
        await first.connect(1)
        assert harness.chosen() == {"h1"}
        harness.respond(first)
        assert harness.chosen() == {"h0"}
        await first.connect(1)
        assert harness.chosen() == {"h1"}

    run(test, harness)


def test_when_all_addresses_fail_one_stays_admitted() -> None:
    harness = BalancerHarness(*unreachable_addresses(3), break_after=0)
    for _ in range(4):
        for pool in harness.pools:
            harness.time_out(pool)
        assert len(harness.chosen()) >= 1
    assert len(harness.chosen()) == 1


_EVENTS = st.tuples(
    st.integers(0, 2), st.sampled_from(["time out", "cut off", "respond", "healthy", "unhealthy", "wait"])
)


@given(st.lists(_EVENTS, max_size=60))
def test_after_any_events_an_address_can_be_chosen(events: list[tuple[int, str]]) -> None:
    """Every healthy address without failures is chosen; an unhealthy one is chosen only if there is none."""
    harness = BalancerHarness(*unreachable_addresses(3), break_after=0)
    unhealthy: set[int] = set()
    failed: set[int] = set()
    for index, event in events:
        pool = harness.pools[index]
        if event == "time out":
            harness.time_out(pool)
        elif event == "cut off":
            harness.cut_off(pool)
        elif event == "respond":
            harness.respond(pool)
        elif event == "wait":
            harness.move(1)
        else:
            harness.balancer.set_health(pool, healthy=event == "healthy", reason="test")
            (unhealthy.discard if event == "healthy" else unhealthy.add)(index)
        if event in ("time out", "cut off"):
            failed.add(index)
        chosen = {int(name.removeprefix("h")) for name in harness.chosen(3)}
        without_problems = {0, 1, 2} - unhealthy - failed
        assert chosen >= without_problems
        assert chosen.isdisjoint(unhealthy) or not without_problems


def test_a_timeout_counts_only_if_the_address_answered_no_other_request(upstream: RawUpstream) -> None:
    """A slow path does not eject the address; a service that hangs altogether is ejected."""
    harness = BalancerHarness(address_of(upstream), UNREACHABLE)

    async def test() -> None:
        pool = harness.pools[0]
        await exchange(pool, await pool.connect(1))
        for _ in range(10):
            harness.balancer.record_failure(pool, UpstreamFailed("timeout"), harness.clock() - 30)
        assert "running" in harness.chosen()
        for _ in range(3):
            harness.balancer.record_failure(pool, UpstreamFailed("timeout"), harness.clock())
        assert "running" not in harness.chosen()

    run(test, harness)


# --- members -------------------------------------------------------------------------------------------------------


def test_an_ejected_address_stays_ejected_when_another_one_is_added() -> None:
    a, b, c = (Address(name, "127.0.0.1", 1) for name in "abc")
    harness = BalancerHarness(a, b)
    harness.time_out(harness.pools[0], 3)
    harness.balancer.set_members([a, b, c])
    assert harness.chosen() == {"b", "c"}


def test_an_ejected_address_is_readmitted_when_the_others_are_removed() -> None:
    a, b = (Address(name, "127.0.0.1", 1) for name in "ab")
    harness = BalancerHarness(a, b)
    harness.time_out(harness.pools[0], 3)
    harness.balancer.set_members([a])
    assert harness.chosen() == {"a"}


def test_the_last_results_of_a_removed_address_change_nothing() -> None:
    a, b = (Address(name, "127.0.0.1", 1) for name in "ab")
    harness = BalancerHarness(a, b)
    removed = harness.pools[1]
    harness.balancer.set_members([a])
    harness.time_out(removed)
    harness.cut_off(removed)
    harness.balancer.set_health(removed, healthy=False, reason="late")
    assert harness.chosen() == {"a"}


# --- health checks -------------------------------------------------------------------------------------------------


def test_unhealthy_addresses_are_excluded_unless_all_are(harness: BalancerHarness) -> None:
    """Health checks never exclude every address."""
    harness.balancer.set_health(harness.pools[0], healthy=False, reason="503")
    assert harness.chosen() == {"h1", "h2"}
    assert harness.metric("address_out", address="h0") == 1
    for pool in harness.pools:
        harness.balancer.set_health(pool, healthy=False, reason="503")
    assert harness.chosen() == {"h0", "h1", "h2"}
    harness.balancer.set_health(harness.pools[1], healthy=True, reason="200")
    assert harness.chosen() == {"h1"}


# --- connecting ----------------------------------------------------------------------------------------------------


def test_an_unreachable_address_is_replaced_by_another(upstream: RawUpstream) -> None:
    """The request is not lost, and after three failures the address is ejected."""
    harness = BalancerHarness(UNREACHABLE, address_of(upstream))

    async def test() -> None:
        for _ in range(3):
            pool, connection = await harness.balancer.connect(harness.pools[0], 1)
            assert pool is harness.pools[1]
            await exchange(pool, connection)
        assert harness.chosen() == {"running"}

    run(test, harness)


def test_a_request_tries_at_most_max_attempts_addresses() -> None:
    harness = BalancerHarness(*unreachable_addresses(MAX_ATTEMPTS + 2))

    async def test() -> None:
        with pytest.raises(Unreachable):
            await harness.balancer.connect(harness.pools[0], 1)

    run(test, harness)
    failures = [
        harness.metric("failures_total", address=f"h{number}", reason="ConnectionRefusedError")
        for number in range(MAX_ATTEMPTS + 2)
    ]
    assert sum(count or 0 for count in failures) == MAX_ATTEMPTS


def test_a_worker_without_file_descriptors_records_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that uses up all file descriptors must not open the circuits as well."""
    harness = BalancerHarness(*unreachable_addresses(1), break_after=1)

    async def no_descriptors(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def test() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", no_descriptors)
        for _ in range(3):
            with pytest.raises(Unreachable):
                await harness.balancer.connect(harness.pools[0], 1)
        assert harness.chosen() == {"h0"}

    run(test, harness)
