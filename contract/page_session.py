"""The session cookie on hosted pages, whose forms the auth service answers and whose cookie the gateway holds.

With every form of a page, the gateway sends a signed offer: the hash of a new handle, and the hash of the handle in
the request's cookie. A log-in uses the new hash for its session. The response tells the gateway what to do with the
cookie. So the auth service knows hashes only, and no handle is in a response except in the gateway's own Set-Cookie.
"""

import re
from dataclasses import dataclass

from contract.claims import InvalidToken, check_registered_claims
from contract.internal_api import HANDLE_HASH
from contract.jws import encoded_header, parse_jws, read_claims, sign_claims

OFFER_HEADER = "X-Session-Offer"
"""The header of a page's form that carries the offer. Never accepted from clients."""
CHANGE_HEADER = "X-Session-Change"
"""The header of the auth service's 303 that changes the session cookie. It never reaches a client."""

OFFER_TYP = "session-offer+jwt"
OFFER_AUDIENCE = "sallyport-pages"
ISSUER = "sallyport-gateway"
LIFETIME = 60
"""Lifetime of an offer in seconds."""

ENDED = "ended"
"""The change after a log-out: the gateway clears the cookie."""

PAGE_NAMES = frozenset({"login", "register", "account", "password", "activate", "email", "invitation", "staff"})
"""The segments after /auth/ under which the auth service serves pages."""

_ALGORITHM = "HS256"
_HEADER = encoded_header(typ=OFFER_TYP, algorithm=_ALGORITHM)
_OPENED = re.compile(r"opened ([0-9]{1,10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SessionOffer:
    """The hash of the handle for a new session, and of the handle in the request's cookie if it has one."""

    new_hash: str
    current_hash: str | None


def is_page(path: str) -> bool:
    """Return whether `path` at the auth service belongs to the hosted pages."""
    segments = path.split("/", 3)
    return len(segments) > 2 and segments[1] == "auth" and segments[2] in PAGE_NAMES


def sign_offer(offer: SessionOffer, secret: str, *, now: float) -> str:
    """Return the offer as a token that is valid for 60 seconds from `now`, signed with the peer secret."""
    claims = {
        "iss": ISSUER,
        "aud": OFFER_AUDIENCE,
        "iat": int(now),
        "exp": int(now) + LIFETIME,
        "new": offer.new_hash,
        **({"current": offer.current_hash} if offer.current_hash else {}),
    }
    return sign_claims(claims, header=_HEADER, algorithm=_ALGORITHM, key=secret.encode())


def verify_offer(token: str, secret: str, *, now: float) -> SessionOffer:
    """Return the offer in a token. Raises InvalidToken."""
    claims = read_claims(parse_jws(token), typ=OFFER_TYP, algorithm=_ALGORITHM, key=secret.encode())
    check_registered_claims(claims, issuer=ISSUER, audiences={OFFER_AUDIENCE}, now=now)
    new, current = claims.get("new"), claims.get("current")
    if not _is_hash(new) or not (current is None or _is_hash(current)):
        raise InvalidToken("Token has no usable handles")
    return SessionOffer(str(new), current)


def opened(lifetime: int) -> str:
    """Return the change after a log-in: the cookie gets the new handle for `lifetime` seconds."""
    return f"opened {lifetime}"


def opened_lifetime(change: str) -> int | None:
    """Return the seconds in a change that `opened` returned; None for any other value."""
    matched = _OPENED.fullmatch(change)
    return int(matched[1]) if matched else None


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(HANDLE_HASH, value) is not None
