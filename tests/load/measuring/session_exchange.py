"""A stand-in for the auth service: exchange session handles for access tokens.

`python -m tests.load.measuring.session_exchange PORT SESSIONS` reads the tokens from SESSIONS, by the hash
of the handle. A gateway asks once for each session, so its speed does not matter.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.load.measuring.tokens import LIFETIME


class Exchange(BaseHTTPRequestHandler):
    """Answers each POST as the auth service answers an exchange (contract/internal_api.py)."""

    protocol_version = "HTTP/1.1"
    tokens: dict[str, str]

    def do_POST(self) -> None:
        """Return the access token of the session, or 404."""
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        token = self.tokens.get(document["handle_hash"])
        found = {"access": token, "expires_at": time.time() + LIFETIME, "user": {"email": "ann@example.com"}}
        body = json.dumps(found if token else {"code": "session_ended", "ended_seconds_ago": None}).encode()
        self.send_response(200 if token else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A server with room for all clients that connect at once. With the default of 5, some wait 1 s for a retry."""

    request_queue_size = 1_024


if __name__ == "__main__":
    Exchange.tokens = json.loads(Path(sys.argv[2]).read_text())
    Server(("127.0.0.1", int(sys.argv[1])), Exchange).serve_forever()
