"""Many simultaneous log-ins succeed, in both ways to log in."""

import asyncio
from collections import Counter

import pytest

from tests.faults.support.connection import Connection, TimedResponse
from tests.faults.support.parallel_requests import send_in_parallel
from tests.system.support.running_stack import Account, RunningStack

CROWD = 50


@pytest.mark.parametrize("path", ["/auth/jwt/create/", "/session/"])
def test_fifty_people_log_in_at_once(stack: RunningStack, account: Account, path: str) -> None:
    """None of them is refused: all can be served within a second or so (R39)."""
    credentials = {"email": account.email, "password": account.password}

    async def log_in(connection: Connection) -> TimedResponse:
        return await connection.request(
            "POST", path, document=credentials, X_Requested_With="x", Sec_Fetch_Site="same-origin"
        )

    responses = asyncio.run(send_in_parallel([stack.url], [log_in] * CROWD))
    assert Counter(response.status for response in responses) == {200: CROWD}
