"""SIGKILL of a Redis primary under load: no session is lost, no used token is valid, nobody is logged out."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.auth_service.forge import claims_of
from tests.faults.support.parallel_requests import open_sessions
from tests.faults.support.running_system import FAST_LOGINS
from tests.redis_topologies import Topology, cluster, sentinel_set, wait_until
from tests.system.support.running_stack import Client, RunningStack, Tokens, run_stack
from tests.topologies.refreshing_sessions import RefreshingSessions

pytestmark = pytest.mark.system

PASSWORD = "correct-horse"
SESSIONS = 24
GRACE_SECONDS = 1
ERROR_SECONDS = 5.0
ERROR_SHARE = 0.01

StartTopology = Callable[[str], AbstractContextManager[Topology]]


@pytest.mark.parametrize("start", [sentinel_set, cluster])
def test_a_killed_primary_costs_no_session_and_revives_no_token(start: StartTopology) -> None:
    settings = {**FAST_LOGINS, "AUTH_WORKERS": "2", "GATEWAY_WORKERS": "2", "REFRESH_GRACE": str(GRACE_SECONDS)}
    with start(PASSWORD) as topology, run_stack(None, REDIS_URL=topology.url, **settings) as stack:
        account = stack.register()
        sessions = asyncio.run(open_sessions(stack.url, account, SESSIONS))
        logged_out = stack.login(account)
        with RefreshingSessions(stack.url, sessions) as load:
            wait_until(lambda: load.refreshes() > SESSIONS, "the sessions refresh")
            killed = topology.primary()
            stop_replication(topology)
            log_out(stack, logged_out)
            wait_until(lambda: is_refused(stack, logged_out), "the log-out takes effect")
            before = len(load.outcomes)
            killed.kill()
            # Requests continue while no primary is there.
            wait_until(lambda: topology.others_agree_on_another_primary(killed), "a replica becomes the primary")
            window_ends = len(load.outcomes)
            wait_until(lambda: sid(logged_out) in revocations(topology), "the lost revocation is published again")
            assert is_refused(stack, logged_out)
            refreshed = load.refreshes()
            wait_until(lambda: load.refreshes() > refreshed + 2 * SESSIONS, "the sessions refresh after the failover")
        outcomes = load.outcomes[before:]
        errors = [outcome for outcome in outcomes if outcome.status != 200]
        counts = Counter((outcome.kind, outcome.status) for outcome in outcomes)
        assert not Counter(outcome.status for outcome in load.outcomes[window_ends:] if outcome.status != 200), counts
        assert {outcome.status for outcome in errors} <= {0, 502, 503, 504}, counts
        assert len(errors) <= ERROR_SHARE * len(outcomes), counts
        if errors:
            assert errors[-1].received_at - errors[0].received_at <= ERROR_SECONDS
        for session in load.sessions:  # nobody is logged out
            assert stack.whoami(stack.refresh(session.tokens).access).status_code == 200
        for session in load.sessions:  # a used token is refused. It also ends its session, so this is the last check
            assert stack.try_refresh(session.used[0]).status_code == 401
        assert stack.try_refresh(logged_out.refresh).status_code == 401


def stop_replication(topology: Topology) -> None:
    """Let the replica of the primary lose its connection, so that the next writes exist on the primary alone."""
    primary, replica = topology.primary(), topology.replica()
    with replica.client() as client:
        client.config_set("masterauth", "wrong")
    with primary.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "replica")
        wait_until(lambda: client.info("replication")["connected_slaves"] == 0, "the replica is disconnected")


def revocations(topology: Topology) -> set[str]:
    """Return the values in the revocation stream of the primary."""
    with topology.primary().client() as client:
        return {fields["value"] for _, fields in client.xrange("revocations")}


def sid(tokens: Tokens) -> str:
    """Return the session's id in an access token."""
    return str(claims_of(tokens.access)["sid"])


def log_out(stack: RunningStack, tokens: Tokens) -> None:
    """End the session."""
    response = stack.send("POST", "/auth/jwt/blacklist/", json={"refresh": tokens.refresh})
    assert response.status_code == 200, response.text


def is_refused(client: Client, tokens: Tokens) -> bool:
    """Return whether the gateway refuses the access token."""
    return client.whoami(tokens.access).status_code == 401
