"""argon2 hashes in the PHC string format, as Django, Flask-Security, pwdlib and Keycloak store them, by libsodium."""

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2i, argon2id

from auth_service.accounts.foreign_hashes.foreign_hash import MAX_MEMORY, UnsupportedHash, encoded, number

_PHC = re.compile(r"\$(argon2id?)\$v=(\d+)\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{22,86})")
_MAX_WORK = 2**21
"""Maximum of memory (KiB) times passes: about two seconds of one core. Django's default is 102,400 times 2."""
_MAX_PHC = 127
"""Characters of a hash that libsodium reads (crypto_pwhash_STRBYTES)."""

_VERIFY: dict[str, Callable[[bytes, bytes], bool]] = {"argon2i": argon2i.verify, "argon2id": argon2id.verify}


@dataclass(frozen=True, slots=True, repr=False)
class Argon2Hash:
    """An argon2i or argon2id hash of any number of lanes. Lanes are computed one after the other."""

    kind: str
    phc: str

    def matches(self, password: str) -> bool:
        """Return whether `password` has this hash."""
        try:
            return _VERIFY[self.kind](self.phc.encode(), encoded(password))
        except (InvalidkeyError, ValueError, RuntimeError):
            return False


def read_argon2(stored: str) -> Argon2Hash | None:
    """Return the hash in a stored text, or None if it has not this form. Raises UnsupportedHash.

    The forms are `$argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH`, and `argon2$argon2id$...` (Django).
    """
    phc = stored.removeprefix("argon2") if stored.startswith("argon2$") else stored
    if not phc.startswith("$argon2"):
        return None
    match = _PHC.fullmatch(phc)
    if match is None or len(phc) > _MAX_PHC:
        raise UnsupportedHash("it is neither an argon2i nor an argon2id hash of a common size")
    kind, version, memory, passes, lanes, _, _ = match.groups()
    if version != "19":
        raise UnsupportedHash("only version 19 of argon2 is supported")
    kib = number(memory, "memory", MAX_MEMORY // 1024)
    if kib * number(passes, "number of passes", _MAX_WORK) > _MAX_WORK:
        raise UnsupportedHash("its memory and number of passes are too large together")
    number(lanes, "number of lanes", 64)
    return Argon2Hash(kind, phc)


def phc_form(kind: str, version: int, memory: int, passes: int, lanes: int, salt: bytes, derived_key: bytes) -> str:
    """Return the PHC string of a hash, for sources that store its parts separately. `memory` is in KiB."""
    texts = [b64encode(data).decode("ascii").rstrip("=") for data in (salt, derived_key)]
    return f"${kind}$v={version}$m={memory},t={passes},p={lanes}${texts[0]}${texts[1]}"
