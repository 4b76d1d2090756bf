"""The calls of this package to the auth service: what they send, and how they read the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sallyport_client.errors import ApiError
from sallyport_client.retry_policy import retry_after_in


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response. `headers` ignores case. The body is not part of the representation: it may have tokens."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer(status={self.status})"

    @property
    def document(self) -> dict[str, Any]:
        """Return the JSON object of the body; an empty one if the body is something else."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def error(self) -> ApiError:
        """Return this refusal as an error."""
        document = self.document
        fields = {name: list(map(str, texts)) for name, texts in document.items() if isinstance(texts, list)}
        named = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in fields.items())
        return ApiError(
            self.status,
            str(document.get("detail") or named or "the response has no explanation"),
            code=str(document.get("code", "")),
            fields=fields,
            retry_after=retry_after_in(self.headers),
        )


class Exchange(Protocol):
    """Sends the calls of this package. Replace it to send them in another way, for example with metrics."""

    def post(self, url: str, document: Mapping[str, str], timeout: float) -> Answer:
        """POST `document` as JSON, once, and return the response. `timeout` is in seconds. May run in any thread.

        Must not follow redirects: the body contains a token or a password. Raises NetworkError if no complete
        response was received.
        """
