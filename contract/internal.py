"""Owns what the gateway alone asks of the auth service: the paths under /internal/, and the names in their documents.

Each call is a POST of one JSON object that carries a peer token (contract/peer.py).
"""

SEEN_PATH = "/internal/seen"
"""{"seen": [[session, generation], ...]} -> 204: these tokens were seen in use."""
MAX_SEEN = 1_000
"""Entries in one report."""

SESSIONS_PATH = "/internal/sessions"
"""{email, password, handle_hash, replaces?, device, address} -> 200 {access, expires_at, user}: a session that a
browser holds by an opaque handle. `expires_at` is the session's absolute end, in seconds since the epoch. With the
log-in the session ends that is held by the handle whose hash is `replaces`."""
EXCHANGE_PATH = "/internal/sessions/exchange"
"""{handle_hash} -> 200 {access, expires_at, user}, or 404 {code, ended_seconds_ago} with the code `session_ended`.

`ended_seconds_ago` is null where there never was such a session, where it expired, and once it is forgotten."""
END_PATH = "/internal/sessions/end"
"""{handle_hash} -> 204, also where there is no such session any more."""

HANDLE_HASH = r"[0-9a-f]{64}"
"""The form of `handle_hash`: SHA-256 of the handle, in lower-case hexadecimal digits."""
SESSION_ENDED = "session_ended"
