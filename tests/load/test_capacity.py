"""The model of capacity: what it computes, and that it reads its costs from the documentation."""

from dataclasses import replace

import pytest

from tests.load.capacity import Habits, Limits, auth_cpu_us, gateway_cpu_us, main, needs_of
from tests.load.measured_costs import Costs, read_costs

COSTS = Costs(
    request_us=50,
    unseen_token_us=150,
    refresh_us=1_000,
    login_us=20_000,
    token_bytes=2_000,
    revocation_bytes=200,
    connection_bytes=7_000,
)


def test_the_costs_are_those_of_the_tables() -> None:
    costs = read_costs()
    assert 10 < costs.request_us < costs.unseen_token_us < costs.refresh_us < costs.login_us
    assert 500 < costs.token_bytes < 10_000
    assert 50 < costs.revocation_bytes < 1_000
    assert 1_000 < costs.connection_bytes < 50_000


def test_a_request_costs_more_if_its_token_is_not_known() -> None:
    assert gateway_cpu_us(10, 0, 1.0, COSTS) == 500
    assert gateway_cpu_us(10, 0, 0.0, COSTS) == 1_500
    assert gateway_cpu_us(0, 10, 0.0, COSTS) == 500


def test_the_auth_service_pays_for_refreshes_and_log_ins() -> None:
    assert auth_cpu_us(3, 2, COSTS) == 43_000


def test_rates_follow_from_the_habits() -> None:
    need = needs_of(30_000, Habits(seconds_between_requests=10, access_lifetime=300), COSTS, Limits())
    assert (need.requests, need.refreshes) == (3_000, 100)
    assert need.logins == pytest.approx(30_000 / 86_400)
    assert need.sql_writes == pytest.approx(100 + 2 * 1.2 * 30_000 / 86_400)


def test_cores_are_whole_and_have_headroom() -> None:
    half = needs_of(100_000, Habits(), COSTS, Limits(utilization=0.5))
    full = needs_of(100_000, Habits(), COSTS, Limits(utilization=1.0))
    assert full.gateway_cores <= half.gateway_cores <= 2 * full.gateway_cores
    assert needs_of(1, Habits(), COSTS, Limits()).gateway_cores == 1


def test_a_worker_knows_fewer_of_the_tokens_when_there_are_more_users() -> None:
    shares = [needs_of(users, Habits(), COSTS, Limits()).token_hit_share for users in (1_000, 100_000, 10_000_000)]
    assert shares[0] == shares[1] > 10 * shares[2] > 0


def test_a_longer_lifetime_of_access_tokens_means_fewer_writes() -> None:
    short, long = (needs_of(10**7, Habits(access_lifetime=seconds), COSTS, Limits()) for seconds in (300, 900))
    assert short.refreshes == pytest.approx(3 * long.refreshes)
    assert short.auth_cores > long.auth_cores


def test_the_bottleneck_is_the_limit_that_is_used_most() -> None:
    need = needs_of(10**7, Habits(), COSTS, Limits())
    assert need.bottleneck(Limits())[0] == "SQL writes of one primary"
    limits = replace(Limits(), sql_writes_per_second=10**9, redis_gib=0.01)
    assert need.bottleneck(limits)[0] == "Redis memory"


def test_the_command_prints_a_column_for_each_number_of_users(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--users", "1000", "2000"]) == 0
    assert capsys.readouterr().out.startswith("| active users | 1,000 | 2,000 |\n")
