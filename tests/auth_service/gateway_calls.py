"""Requests to the internal endpoints, as the gateway sends them."""

import hashlib
from dataclasses import dataclass

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from contract.internal_api import END_PATH, EXCHANGE_PATH, SESSIONS_PATH, USAGE_REPORT_PATH
from contract.peer_token import PEER_HEADER, sign_peer
from tests.auth_service.world import PASSWORD, PEER_SECRET
from tests.clocks import MovableClock


def hash_of(handle: str) -> str:
    """Return the hash of `handle`, as the database stores it."""
    return hashlib.sha256(handle.encode()).hexdigest()


@dataclass
class Gateway:
    """A gateway, whose requests have a valid peer token."""

    client: FlaskClient
    clock: MovableClock

    def open(self, handle: str, *, email: str = "ann@example.org", password: str = PASSWORD) -> TestResponse:
        """Open a browser session."""
        return self.call(
            SESSIONS_PATH,
            email=email,
            password=password,
            handle_hash=hash_of(handle),
            device="ann's browser",
            address="203.0.113.7",
        )

    def exchange(self, handle: str) -> TestResponse:
        """Exchange a handle for an access token."""
        return self.call(EXCHANGE_PATH, handle_hash=hash_of(handle))

    def end(self, handle: str) -> TestResponse:
        """End a browser session."""
        return self.call(END_PATH, handle_hash=hash_of(handle))

    def report(self, *seen: tuple[str, int]) -> TestResponse:
        """Send a usage report with these pairs of session id and generation."""
        return self.call(USAGE_REPORT_PATH, seen=[list(entry) for entry in seen])

    def call(self, path: str, **members: object) -> TestResponse:
        """Send a JSON object to an internal endpoint."""
        return self.client.post(path, json=members, headers={PEER_HEADER: sign_peer(PEER_SECRET, now=self.clock())})
