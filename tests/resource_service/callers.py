"""Plays the gateway and the people behind it: verbs that call the service with assertions like the gateway's."""

from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from contract.identity import IDENTITY_HEADER, Identity, sign
from contract.keys import assertion_signer
from tests.clocks import MovableClock

SECRET = "Jq0w3m8ZsXcV5bN7kLpTfGh2RyUeDiOaWq1s9d4f6g8h0j2k3l5z7x1c9v2b4n6m"
AUDIENCE = "notes"


@dataclass
class Caller:
    """Somebody whom the gateway lets through."""

    client: FlaskClient
    clock: MovableClock
    identity: Identity
    extra_headers: dict[str, str] = field(default_factory=dict)

    @property
    def assertion(self) -> str:
        """What the gateway would send along now."""
        return sign(self.identity, signer=assertion_signer(SECRET), audience=AUDIENCE, now=self.clock())

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """The answer to any request."""
        headers = {IDENTITY_HEADER: self.assertion, **self.extra_headers}
        return self.client.open(path, method=method, headers=headers, **options)

    def get(self, path: str) -> TestResponse:
        return self.call("GET", path)

    def post(self, **fields: object) -> TestResponse:
        """The answer to a new note."""
        return self.call("POST", "/api/notes/", json=fields)

    def send(self, body: bytes, method: str = "POST", path: str = "/api/notes/") -> TestResponse:
        """The answer to a body sent as it is."""
        return self.call(method, path, data=body, content_type="application/json")

    def patch(self, note_id: str, **fields: object) -> TestResponse:
        return self.call("PATCH", f"/api/notes/{note_id}/", json=fields)

    def write(self, title: str = "A title", body: str = "") -> dict[str, Any]:
        """A new note."""
        answer = self.post(title=title, body=body)
        assert answer.status_code == 201, answer.text
        note: dict[str, Any] = answer.get_json()
        return note

    def titles(self, query: str = "") -> list[str]:
        """The titles in the list that `query` asks for."""
        answer = self.get(f"/api/notes/{query}")
        assert answer.status_code == 200, answer.text
        return [note["title"] for note in answer.get_json()["results"]]
