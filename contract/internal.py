"""The auth service's internal API, for the gateway only: paths under /internal/, and their documents.

Each call is a POST of one JSON object, with a peer token in a header (contract/peer.py).
"""

SEEN_PATH = "/internal/seen"
"""{"seen": [[session, generation], ...]} -> 204: these generations were presented by a client."""
MAX_SEEN = 1_000
"""Largest number of entries in one report."""

SESSIONS_PATH = "/internal/sessions"
"""{email, password, handle_hash, replaces?, device, address} -> 200 {access, expires_at, user}: log a browser in.

`expires_at` is the session's absolute end, in seconds since the epoch. The session of the handle whose hash is
`replaces` ends with the log-in."""
EXCHANGE_PATH = "/internal/sessions/exchange"
"""{handle_hash} -> 200 {access, expires_at, user}, or 404 {code, ended_seconds_ago} with the code `session_ended`.

`ended_seconds_ago` is null if the session never existed, has expired, or was deleted long ago."""
END_PATH = "/internal/sessions/end"
"""{handle_hash} -> 204, also if the session no longer exists."""

HANDLE_HASH = r"[0-9a-f]{64}"
"""Pattern of `handle_hash`: SHA-256 of the handle, in lower-case hexadecimal."""
SESSION_ENDED = "session_ended"
