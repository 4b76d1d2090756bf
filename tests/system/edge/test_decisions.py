"""Which requests the edge decides itself, and how it learns of log-outs, keys and its own processes."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.system.support.running_edge import RunningEdge, wait_until
from tests.system.support.running_stack import RunningStack, Tokens


def is_decided(stack: RunningStack, access: str) -> bool:
    """Send a request, which must succeed, and return whether the edge decided it: its request ids are UUIDs."""
    response = stack.whoami(access)
    assert response.status_code == 200, response.text
    return "-" in response.headers["X-Request-Id"]


def becomes_decided(stack: RunningStack, access: str) -> bool:
    """Return whether the edge decides requests with this token, which the gateway may have to see first."""
    is_decided(stack, access)
    return is_decided(stack, access)


def log_out(stack: RunningStack, tokens: Tokens) -> None:
    """End the session of `tokens`."""
    assert stack.send("POST", "/auth/jwt/blacklist/", json={"refresh": tokens.refresh}).status_code == 200


def test_the_gateway_decides_the_first_request_of_a_token_and_the_edge_the_next(
    stack: RunningStack, tokens: Tokens
) -> None:
    assert [is_decided(stack, tokens.access) for _ in range(3)] == [False, True, True]


def test_both_give_the_service_the_same_identity(stack: RunningStack, tokens: Tokens) -> None:
    assert stack.whoami(tokens.access).json() == stack.whoami(tokens.access).json()


def test_a_log_out_takes_effect_within_a_second(stack: RunningStack, tokens: Tokens) -> None:
    """The answer is that of the gateway."""
    assert becomes_decided(stack, tokens.access)
    log_out(stack, tokens)
    started = time.monotonic()
    while (response := stack.whoami(tokens.access)).status_code == 200:
        assert time.monotonic() - started < 5, "a second, and more for busy machines"
    assert (response.status_code, response.json()["code"]) == (401, "token_revoked")


def test_the_use_of_a_new_token_is_reported(stack: RunningStack, tokens: Tokens) -> None:
    """So a replay of the token before it ends the session, as without an edge (confirm on first use)."""
    successor = stack.refresh(tokens)
    for _ in range(2):
        assert stack.whoami(successor.access).status_code == 200
    time.sleep(2.2)  # until the report was sent, and REFRESH_GRACE has passed
    assert stack.try_refresh(tokens.refresh).status_code == 401
    wait_until(lambda: stack.whoami(successor.access).status_code == 401)


@pytest.fixture
def sync_restored(edge: RunningEdge) -> Iterator[None]:
    """Start `gateway edge sync` again after the test if it ended."""
    yield
    if edge.sync.poll() is not None:
        edge.start_sync()
    wait_until(edge.is_current)


@pytest.mark.usefixtures("sync_restored")
def test_without_sync_the_gateway_decides_everything_until_it_is_back(
    stack: RunningStack, edge: RunningEdge, tokens: Tokens
) -> None:
    assert becomes_decided(stack, tokens.access)
    edge.sync.send_signal(signal.SIGKILL)
    edge.sync.wait(30)
    wait_until(lambda: not edge.is_current())
    assert not becomes_decided(stack, tokens.access)
    other = stack.login(stack.register())
    log_out(stack, other)
    edge.start_sync()
    wait_until(lambda: is_decided(stack, tokens.access))
    assert stack.whoami(other.access).status_code == 401


@pytest.mark.usefixtures("sync_restored")
def test_sync_ends_without_an_error_after_sigterm(edge: RunningEdge) -> None:
    edge.sync.terminate()
    assert edge.sync.wait(30) == 0
    assert '"level": "error"' not in (edge.folder / "sync.log").read_text()


def test_after_a_reload_of_haproxy_revoked_sessions_stay_revoked(
    stack: RunningStack, edge: RunningEdge, tokens: Tokens
) -> None:
    ended = stack.login(stack.register())
    assert becomes_decided(stack, ended.access)
    log_out(stack, ended)
    edge.reload()
    assert stack.whoami(ended.access).status_code == 401
    assert becomes_decided(stack, tokens.access)
    assert stack.whoami(ended.access).status_code == 401


def test_a_reload_fails_no_request(stack: RunningStack, edge: RunningEdge, tokens: Tokens) -> None:
    url = f"{edge.url}/api/whoami"
    command = ["wrk", "-t1", "-c4", "-d2s", "-H", f"Authorization: Bearer {tokens.access}", url]
    try:
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        pytest.skip("wrk is not installed")
    time.sleep(0.5)
    edge.reload()
    output, _ = load.communicate(timeout=30)
    assert "Non-2xx" not in output, output
    assert "Socket errors" not in output, output


def test_the_log_has_a_line_for_each_decided_request_and_no_token(
    stack: RunningStack, edge: RunningEdge, tokens: Tokens
) -> None:
    assert becomes_decided(stack, tokens.access)
    response = stack.send("GET", "/api/whoami?secret=1", tokens.access)
    identity = response.json()
    wait_until(lambda: response.headers["X-Request-Id"] in edge.log())
    line = json.loads(next(line for line in edge.log().splitlines() if response.headers["X-Request-Id"] in line))
    assert (line["event"], line["service"], line["method"], line["status"]) == ("request", "edge", "GET", 200)
    assert (line["path"], line["subject"], line["sid"]) == ("/api/whoami", identity["sub"], identity["sid"])
    assert line["client"] == "127.0.0.1"
    assert tokens.access.rpartition(".")[2] not in edge.log()
    assert "secret=1" not in edge.log()
