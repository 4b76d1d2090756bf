"""A receiver of webhooks that verifies each one with the library of Standard Webhooks."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYq="
NEXT_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="


@dataclass
class Receiver:
    """The requests that it got, and what it answers: a status, or a function that writes the answer."""

    url: str = ""
    secret: str = SECRET
    answers: list[int | Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    """The answers to the next requests. Afterwards it answers 204."""
    received: list[dict[str, Any]] = field(default_factory=list)
    """The verified bodies that it answered 204."""
    ids: list[str] = field(default_factory=list)
    """The `webhook-id` of every request."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """The header fields of every request, in lower case."""
    before_answer: Callable[[], None] = lambda: None

    @property
    def types(self) -> list[str]:
        """Return the types of the bodies that it answered 204."""
        return [body["type"] for body in self.received]


def handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    """Return the request handler class of a receiver."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            verified = _verified(receiver.secret, content.decode(), headers)
            receiver.ids.append(headers["webhook-id"])
            receiver.headers.append(headers)
            receiver.before_answer()
            answer = receiver.answers.pop(0) if receiver.answers else 204
            if callable(answer):
                answer(self)
                return
            if answer == 204:
                receiver.received.append(verified)
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler


def _verified(secret: str, content: str, headers: dict[str, str]) -> Any:
    """Return the body if the library signs it alike.

    `Webhook.verify` would compare the time with that of the system, and tests move the clock.
    """
    sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    expected = Webhook(secret).sign(headers["webhook-id"], sent_at, content)
    assert expected in headers["webhook-signature"].split(" ")
    return json.loads(content)


@contextmanager
def running_receiver(receiver: Receiver) -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(receiver)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks?tenant=1"
        yield receiver
        server.shutdown()
        thread.join()
