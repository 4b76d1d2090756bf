"""Calls the internal endpoints as the gateway does."""

import hashlib
from dataclasses import dataclass

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from contract.internal import END_PATH, EXCHANGE_PATH, SEEN_PATH, SESSIONS_PATH
from contract.peer import PEER_HEADER, sign_peer
from tests.auth_service.world import PASSWORD, PEER_SECRET
from tests.clocks import MovableClock


def hash_of(handle: str) -> str:
    """What stands in a session's row for `handle`."""
    return hashlib.sha256(handle.encode()).hexdigest()


@dataclass
class Gateway:
    """A gateway that proves itself, and holds browsers' sessions by their handles."""

    client: FlaskClient
    clock: MovableClock

    def open(self, handle: str, *, email: str = "ann@example.org", password: str = PASSWORD) -> TestResponse:
        """The answer to a browser's login."""
        return self.call(
            SESSIONS_PATH,
            email=email,
            password=password,
            handle_hash=hash_of(handle),
            device="ann's browser",
            address="203.0.113.7",
        )

    def exchange(self, handle: str) -> TestResponse:
        """The answer to an exchange of a handle."""
        return self.call(EXCHANGE_PATH, handle_hash=hash_of(handle))

    def end(self, handle: str) -> TestResponse:
        """The answer to a browser's logout."""
        return self.call(END_PATH, handle_hash=hash_of(handle))

    def report(self, *seen: tuple[str, int]) -> TestResponse:
        """The answer to a batch of what was seen in use."""
        return self.call(SEEN_PATH, seen=[list(entry) for entry in seen])

    def call(self, path: str, **members: object) -> TestResponse:
        """The answer to any document."""
        return self.client.post(path, json=members, headers={PEER_HEADER: sign_peer(PEER_SECRET, now=self.clock())})
