"""Which failures open an upstream's circuit, and which only eject an address."""

import pytest

from contract.problems import Refused
from gateway.upstream_connections.errors import UpstreamFailed
from gateway.upstreams.circuit_breaker import MAX_PROBES
from tests.gateway.raw_upstream import RawUpstream
from tests.gateway.upstream_connections.pools import exchange
from tests.gateway.upstreams.balancers import UNREACHABLE, BalancerHarness, address_of, run, unreachable_addresses


def refusal(harness: BalancerHarness) -> Refused:
    with pytest.raises(Refused) as refused:
        harness.balancer.choose()
    return refused.value


@pytest.mark.parametrize(("name", "code"), [("notes", "upstream_unavailable"), ("auth", "auth_unavailable")])
def test_the_circuit_opens_after_consecutive_failures(name: str, code: str) -> None:
    harness = BalancerHarness(*unreachable_addresses(1), name=name)
    harness.time_out(harness.pools[0], 4)
    harness.respond(harness.pools[0])
    harness.time_out(harness.pools[0], 4)
    assert harness.chosen() == {"h0"}
    harness.time_out(harness.pools[0])
    refused = refusal(harness)
    assert (refused.code, refused.status) == (code, 503)
    assert refused.retry_after in (1, 2)


def test_probes_pass_after_a_second_and_the_first_response_closes_the_circuit(harness: BalancerHarness) -> None:
    for pool in (*harness.pools, *harness.pools, harness.pools[0]):
        harness.time_out(pool)
    refusal(harness)
    harness.move(1)
    for client in range(MAX_PROBES):
        harness.balancer.choose(str(client))
    refusal(harness)
    harness.respond(harness.pools[0])
    assert len(harness.chosen(30)) == 3


def test_failures_of_one_address_do_not_open_the_circuit(harness: BalancerHarness) -> None:
    """Not while another address has no failures."""
    harness.time_out(harness.pools[0], 30)
    assert harness.chosen() == {"h1", "h2"}
    harness.time_out(harness.pools[1], 30)
    assert harness.chosen() == {"h2"}
    harness.time_out(harness.pools[2], 5)
    refusal(harness)


def test_a_request_that_another_address_answered_is_no_failure_of_the_upstream(upstream: RawUpstream) -> None:
    harness = BalancerHarness(UNREACHABLE, address_of(upstream), eject_after=0)

    async def test() -> None:
        for _ in range(20):
            pool, connection = await harness.balancer.connect(harness.pools[0], 1)
            await exchange(pool, connection)
        assert harness.chosen() == {"unreachable", "running"}

    run(test, harness)


def test_a_response_that_is_cut_off_closes_the_circuit() -> None:
    """The service is running, and its other paths may work."""
    harness = BalancerHarness(*unreachable_addresses(1))
    harness.cut_off(harness.pools[0], 100)
    assert harness.chosen() == {"h0"}
    harness.time_out(harness.pools[0], 4)
    harness.cut_off(harness.pools[0])
    harness.time_out(harness.pools[0], 4)
    assert harness.chosen() == {"h0"}
    harness.time_out(harness.pools[0])
    refusal(harness)
    harness.cut_off(harness.pools[0])  # of a request sent earlier
    assert harness.chosen() == {"h0"}


def test_cut_off_responses_eject_at_most_half_of_the_addresses() -> None:
    harness = BalancerHarness(*unreachable_addresses(4))
    harness.cut_off(harness.pools[0], 3)
    assert harness.chosen() == {"h1", "h2", "h3"}
    for _ in range(10):
        harness.respond(harness.pools[3], 16)  # so many that it has no failures
        for pool in harness.pools[1:3]:
            harness.cut_off(pool, 3)
    assert harness.chosen() == {"h2", "h3"}


def test_a_path_whose_responses_are_cut_off_at_every_address_ejects_no_address(harness: BalancerHarness) -> None:
    for _ in range(20):
        harness.cut_off(harness.balancer.choose())
    assert harness.chosen() == {"h0", "h1", "h2"}


def test_a_timeout_opens_the_circuit_only_if_no_address_responded(upstream: RawUpstream) -> None:
    harness = BalancerHarness(UNREACHABLE, address_of(upstream), break_after=1)

    async def test() -> None:
        hanging, responding = harness.pools
        await exchange(responding, await responding.connect(1))
        harness.time_out(responding)  # because an address without failures would keep the circuit closed
        harness.balancer.record_failure(hanging, UpstreamFailed("timeout"), harness.clock() - 30)
        assert harness.balancer.choose() in harness.pools
        harness.balancer.record_failure(hanging, UpstreamFailed("timeout"), harness.clock())
        refusal(harness)

    run(test, harness)
