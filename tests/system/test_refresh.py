"""Parallel refreshes, and replays of used refresh tokens."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import requests

from tests.system.support.running_stack import RunningStack, Tokens

PARALLEL = 32
ROUNDS = 5


def claims(token: str) -> dict[str, Any]:
    """Return a token's claims without verification."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def refresh_in_parallel(stack: RunningStack, token: str) -> list[requests.Response]:
    start = threading.Barrier(PARALLEL)

    def refresh() -> requests.Response:
        start.wait(30)
        return stack.try_refresh(token)

    with ThreadPoolExecutor(PARALLEL) as pool:
        return [response.result() for response in [pool.submit(refresh) for _ in range(PARALLEL)]]


def test_parallel_refreshes_of_one_token_share_one_successor(stack: RunningStack, tokens: Tokens) -> None:
    """Five rounds of 32 parallel refreshes over two workers: none is refused, and the session continues."""
    for generation in range(1, ROUNDS + 1):
        responses = refresh_in_parallel(stack, tokens.refresh)
        assert [response.status_code for response in responses] == [200] * PARALLEL
        (successor,) = {response.json()["refresh"] for response in responses}
        accesses = [claims(response.json()["access"]) for response in responses]
        assert {(access["sid"], access["generation"]) for access in accesses} == {
            (claims(tokens.refresh)["sid"], claims(tokens.refresh)["generation"] + 1)
        }, generation
        tokens = Tokens(responses[0].json()["access"], successor)
    assert stack.whoami(stack.refresh(tokens).access).status_code == 200


def test_a_refresh_changes_only_the_generation_the_jti_and_the_times(stack: RunningStack, tokens: Tokens) -> None:
    """All other claims stay the same, such as subject and session."""
    before, after = claims(tokens.refresh), claims(stack.refresh(tokens).refresh)
    changing = {"generation", "jti", "iat", "exp"}
    assert {name: before[name] for name in before.keys() - changing} == {
        name: after[name] for name in after.keys() - changing
    }
    assert {"sub", "sid"} <= before.keys()
    assert before["generation"] + 1 == after["generation"]
    assert before["jti"] != after["jti"]


@pytest.fixture
def chain(stack: RunningStack) -> list[Tokens]:
    """A session's tokens, oldest first. All but the last are used, and their grace period of a second is over."""
    tokens = [stack.login(stack.register())]
    for _ in range(2):
        tokens.append(stack.refresh(tokens[-1]))
    time.sleep(1.1)  # the grace period is counted in another process, whose clock a test cannot move
    return tokens


def test_a_replay_is_refused_and_ends_the_whole_session(stack: RunningStack, chain: list[Tokens]) -> None:
    used, newest = chain[0], chain[-1]
    assert stack.whoami(newest.access).status_code == 200

    replayed = stack.try_refresh(used.refresh)
    assert replayed.status_code == 401
    assert replayed.json()["code"] == "token_not_valid"
    # Refreshes fail at once, access tokens within a second: gateways read revocations from Redis.
    assert stack.try_refresh(newest.refresh).status_code == 401
    assert becomes_unauthorized(stack, newest.access, "/api/whoami", seconds=1)
    assert becomes_unauthorized(stack, newest.access, "/auth/users/me/", seconds=1)


def test_a_replay_leaves_other_sessions_of_the_account_alive(stack: RunningStack) -> None:
    account = stack.register()
    phone, laptop = stack.login(account), stack.login(account)
    newest = stack.refresh(stack.refresh(phone))
    time.sleep(1.1)  # until the grace period of a second is over, as in `chain`
    assert stack.try_refresh(phone.refresh).status_code == 401
    assert stack.try_refresh(newest.refresh).status_code == 401
    assert stack.whoami(stack.refresh(laptop).access).status_code == 200


def test_in_strict_mode_a_used_token_is_refused_at_once(strict_stack: RunningStack) -> None:
    tokens = strict_stack.login(strict_stack.register())
    newest = strict_stack.refresh(tokens)
    assert strict_stack.try_refresh(tokens.refresh).status_code == 401
    assert strict_stack.try_refresh(newest.refresh).status_code == 401


def test_a_log_out_ends_the_session(stack: RunningStack, tokens: Tokens) -> None:
    assert stack.send("POST", "/auth/jwt/blacklist/", json={"refresh": tokens.refresh}).status_code == 200
    assert stack.try_refresh(tokens.refresh).status_code == 401
    assert becomes_unauthorized(stack, tokens.access, "/api/whoami", seconds=1)


def becomes_unauthorized(stack: RunningStack, access: str, path: str, seconds: float) -> bool:
    """Return whether the token is refused three times in a row within `seconds`: each worker probably refuses it."""
    deadline = time.monotonic() + seconds
    refusals = 0
    while refusals < 3 and time.monotonic() < deadline:
        refusals = refusals + 1 if stack.send("GET", path, access).status_code == 401 else 0
    return refusals == 3
