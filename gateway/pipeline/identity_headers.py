"""Identity headers: a signed assertion of the subject for one upstream, and the same facts as plain headers.

An upstream may also receive claims in header fields of its own choice (`identity_headers`). Text other than printable
ASCII is percent-encoded as UTF-8, and so is `%`. Roles are separated by commas; a comma in a role is `%2C`.

They are cached per token and upstream for at most 30 seconds. An assertion is valid for 60 seconds, so an assertion
that is sent remains valid for at least 30.
"""

from urllib.parse import quote

from contract.claims import AccessClaims
from contract.identity import IDENTITY_HEADER, UNSIGNED_HEADERS, sign
from contract.keys import AssertionSigner
from gateway.routing.routes import Claim, Upstream

MAX_AGE_SECONDS = 30
"""How long the headers of a token are reused for one upstream."""

_PERIOD_SECONDS = MAX_AGE_SECONDS / 2

_DELETED_AT_ONCE = 32
"""Number of expired headers that one call deletes. Deleting 25,000 at once would stop the worker for 3 ms."""

_Lines = dict[tuple[str, str], bytes]
"""Identity headers by the token's `jti` and the name of the upstream."""

_VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

_VISIBLE_WITHOUT_COMMA = _VISIBLE.replace(",", "")

_SUBJECT, _EMAIL, _ROLES, _SESSION = UNSIGNED_HEADERS


def cached_assertions(tokens: int) -> int:
    """Return how many assertions a worker caches that caches `tokens` tokens.

    An assertion takes more memory than a token. Signing it again takes 4 us.
    """
    return tokens // 4


class IdentityHeaders:
    """Signs identity assertions and caches at most `size` of them.

    The cache is two dicts: the headers signed in the current period of 15 seconds, and those of the period before.
    When a period ends, the headers of the older dict have expired, so no entry has a time of its own. The next calls
    delete them, a few each. While the cache is full, new headers are not stored. Evicting live ones instead would
    make the cache useless as soon as more tokens are in use than it holds.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.cache_misses = 0
        """Headers that were not in the cache, since the start."""
        self._period = -1.0
        self._starts_at = self._ends_at = 0.0
        self._current: _Lines = {}
        self._previous: _Lines = {}
        self._expired: list[_Lines] = []

    def __len__(self) -> int:
        """Return the number of headers in memory, including expired ones that are not deleted yet."""
        return len(self._current) + len(self._previous) + sum(map(len, self._expired))

    def lines(self, claims: AccessClaims, upstream: Upstream, now: float) -> bytes:
        """Return the identity headers for `upstream`, as complete lines; empty if it receives none."""
        if not upstream.receives_identity:
            return b""
        if not self._starts_at <= now < self._ends_at:
            self._start_period(now)
        if self._expired:
            self._delete_expired()
        key = (claims.jti, upstream.name)
        lines = self._current.get(key) or self._previous.get(key)
        if lines is None:
            self.cache_misses += 1
            lines = _lines(claims, upstream, now)
            if len(self) < self._size:
                self._current[key] = lines
        return lines

    def forget(self) -> None:
        """Forget all headers, because the key of a signer was replaced."""
        self._current, self._previous, self._expired = {}, {}, []

    def _start_period(self, now: float) -> None:
        period = now // _PERIOD_SECONDS
        if period == self._period + 1:
            ended, self._previous = [self._previous], self._current
        else:
            ended, self._previous = [self._previous, self._current], {}
        self._expired += filter(None, ended)
        self._current = {}
        self._period = period
        self._starts_at = period * _PERIOD_SECONDS
        self._ends_at = self._starts_at + _PERIOD_SECONDS

    def _delete_expired(self) -> None:
        expired = self._expired[-1]
        for _ in range(min(_DELETED_AT_ONCE, len(expired))):
            expired.popitem()
        if not expired:
            self._expired.pop()


def _lines(claims: AccessClaims, upstream: Upstream, now: float) -> bytes:
    lines = (
        "" if upstream.signer is None else _assertion_lines(claims, upstream.signer.current(), upstream.audience, now)
    )
    for name, claim in upstream.identity_headers:
        value = _value(claims, claim)
        if value:
            lines += f"{name}: {value}\r\n"
    return lines.encode("ascii")


def _assertion_lines(claims: AccessClaims, signer: AssertionSigner, audience: str, now: float) -> str:
    assertion = sign(claims, signer=signer, audience=audience, now=now, extra=claims.extra)
    subject, email, roles, session = claims.subject, claims.email, " ".join(claims.roles), claims.session
    if not _is_plain(subject + email + roles + session):
        subject, email, roles, session = (quote(text, safe=_VISIBLE) for text in (subject, email, roles, session))
    return (
        f"{IDENTITY_HEADER}: {assertion}\r\n{_SUBJECT}: {subject}\r\n{_EMAIL}: {email}\r\n"
        f"{_ROLES}: {roles}\r\n{_SESSION}: {session}\r\n"
    )


def _value(claims: AccessClaims, claim: Claim) -> str:
    if claim == "roles":
        return ",".join(quote(role, safe=_VISIBLE_WITHOUT_COMMA) for role in claims.roles)
    text = {"sub": claims.subject, "email": claims.email, "sid": claims.session}[claim]
    return quote(text, safe=_VISIBLE)


def _is_plain(text: str) -> bool:
    """Return whether `text` is printable ASCII without `%`. Other text is percent-encoded; it may hold line ends."""
    return text.isascii() and text.isprintable() and "%" not in text
