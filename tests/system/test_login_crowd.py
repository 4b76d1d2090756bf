"""Many simultaneous log-ins succeed, in both ways to log in."""

import asyncio
from collections import Counter

import pytest

from tests.faults.connection import Answer, Connection
from tests.faults.crowd import ask_at_once
from tests.system.running_stack import Account, RunningStack

CROWD = 50


@pytest.mark.parametrize("path", ["/auth/jwt/create/", "/session/"])
def test_fifty_people_log_in_at_once(stack: RunningStack, account: Account, path: str) -> None:
    """None of them is refused: all can be served within a second or so (R39)."""
    credentials = {"email": account.email, "password": account.password}

    async def log_in(line: Connection) -> Answer:
        return await line.ask("POST", path, document=credentials, X_Requested_With="x", Sec_Fetch_Site="same-origin")

    answers = asyncio.run(ask_at_once([stack.url], [log_in] * CROWD))
    assert Counter(answer.status for answer in answers) == {200: CROWD}
