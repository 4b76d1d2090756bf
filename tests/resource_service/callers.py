"""Callers of the service, whose requests have assertions as the gateway sends them."""

from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from contract.identity import IDENTITY_HEADER, sign
from contract.keys import assertion_signer
from sallyport_service import Identity
from tests.clocks import MovableClock

SECRET = "Jq0w3m8ZsXcV5bN7kLpTfGh2RyUeDiOaWq1s9d4f6g8h0j2k3l5z7x1c9v2b4n6m"
AUDIENCE = "notes"


@dataclass
class Caller:
    """A user. Each request has a new assertion of `identity`."""

    client: FlaskClient
    clock: MovableClock
    identity: Identity
    extra_headers: dict[str, str] = field(default_factory=dict)

    @property
    def assertion(self) -> str:
        """The assertion that the gateway would send now."""
        return sign(self.identity, signer=assertion_signer(SECRET), audience=AUDIENCE, now=self.clock())

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request with the assertion and `extra_headers`."""
        headers = {IDENTITY_HEADER: self.assertion, **self.extra_headers}
        return self.client.open(path, method=method, headers=headers, **options)

    def get(self, path: str) -> TestResponse:
        """Send a GET request."""
        return self.call("GET", path)

    def post(self, **fields: object) -> TestResponse:
        """Send the request that creates a note."""
        return self.call("POST", "/api/notes/", json=fields)

    def send(self, body: bytes, method: str = "POST", path: str = "/api/notes/") -> TestResponse:
        """Send `body` unchanged, as application/json."""
        return self.call(method, path, data=body, content_type="application/json")

    def patch(self, note_id: str, **fields: object) -> TestResponse:
        """Send the request that changes a note."""
        return self.call("PATCH", f"/api/notes/{note_id}/", json=fields)

    def write(self, title: str = "A title", body: str = "") -> dict[str, Any]:
        """Create a note and return it. Fails if the response is not 201."""
        response = self.post(title=title, body=body)
        assert response.status_code == 201, response.text
        note: dict[str, Any] = response.get_json()
        return note

    def titles(self, query: str = "") -> list[str]:
        """Return the titles of the notes that `query` selects."""
        response = self.get(f"/api/notes/{query}")
        assert response.status_code == 200, response.text
        return [note["title"] for note in response.get_json()["results"]]
