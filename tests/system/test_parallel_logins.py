"""Parallel log-ins, at both endpoints."""

import asyncio
from collections import Counter

import pytest

from tests.faults.support.connection import Connection, TimedResponse
from tests.faults.support.parallel_requests import send_in_parallel
from tests.system.support.running_stack import Account, RunningStack

CLIENTS = 50


@pytest.mark.parametrize("path", ["/auth/jwt/create/", "/session/"])
def test_fifty_parallel_log_ins_all_succeed(stack: RunningStack, account: Account, path: str) -> None:
    """None gets 503: the queue for password hashing holds all of them."""
    credentials = {"email": account.email, "password": account.password}

    async def log_in(connection: Connection) -> TimedResponse:
        return await connection.request(
            "POST", path, document=credentials, X_Requested_With="x", Sec_Fetch_Site="same-origin"
        )

    responses = asyncio.run(send_in_parallel([stack.url], [log_in] * CLIENTS))
    assert Counter(response.status for response in responses) == {200: CLIENTS}
