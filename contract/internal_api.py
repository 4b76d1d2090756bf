"""The auth service's internal API, which only the gateway may call: the paths, requests and responses.

Each request is a POST of one JSON object, with a peer token in a header (contract/peer_token.py).
"""

USAGE_REPORT_PATH = "/internal/seen"
"""{"seen": [[sid, generation], ...]} -> 204: clients have presented access tokens of these generations."""
MAX_REPORTED_SESSIONS = 1_000
"""Maximum number of sessions in one report."""

SESSIONS_PATH = "/internal/sessions"
"""{email, password, handle_hash, replaces?, device, address, device_token?} -> 200 {access, expires_at, user,
device_token}: log in a browser.

`expires_at` is the end of the session, in seconds since the epoch; using the session does not extend it. The log-in
ends the session whose handle has the hash `replaces`. `device_token` is the value of the cookie of
contract/device_cookie.py, before and after the log-in."""
EXCHANGE_PATH = "/internal/sessions/exchange"
"""{handle_hash} -> 200 {access, expires_at, user}, or 404 {code, ended_seconds_ago} with the code `session_ended`.

`ended_seconds_ago` is null if the session never existed, has expired, or was removed from the database."""
END_PATH = "/internal/sessions/end"
"""{handle_hash} -> 204, also if the session no longer exists."""

HANDLE_HASH = r"[0-9a-f]{64}"
"""The pattern of `handle_hash`: SHA-256 of the handle, in lower-case hexadecimal."""
SESSION_ENDED = "session_ended"
"""The code of a 404 for a session that has ended or never existed."""

FOREIGN_TOKEN_PATH = "/internal/foreign-tokens"  # noqa: S105 - a path
"""{token} -> 200 {access}, or 401 {code}: exchange an access token of a Django project for one of ours.

The new token expires when the old one does. Each exchange of one token belongs to the same session.
"""
