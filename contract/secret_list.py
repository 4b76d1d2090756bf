"""A secret setting that contains one secret, or two while it is replaced: the first signs, each of them verifies.

Two shared secrets are two lines. Keys in PEM form follow one another. Lines that begin with `# ` are comments.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from contract.claims import InvalidToken
from contract.jws import BadSignature
from contract.keys import AssertionSigner, UnusableKey, assertion_signer, check_secret

MAX_SECRETS = 2
"""The present secret, and the next or the previous one."""

COMMENT = "# "
"""The beginning of a line that is a comment."""

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)

Verified = TypeVar("Verified")


def split_secrets(text: str) -> tuple[str, ...]:
    """Return the secrets or PEM blocks in `text`, in their order. Raises UnusableKey if there are too many."""
    if "-----BEGIN " in text:
        found = [block[0] for block in _PEM.finditer(text)] or [text.strip()]
    else:
        lines = map(str.strip, text.splitlines())
        found = [line for line in lines if line and not line.startswith(COMMENT)]
    if not found:
        raise UnusableKey("is empty")
    if len(found) > MAX_SECRETS:
        raise UnusableKey(f"contains {len(found)} secrets; at most {MAX_SECRETS} are accepted at a time")
    if len(set(found)) < len(found):
        raise UnusableKey("contains the same secret twice")
    return tuple(found)


def shared_secrets(text: str) -> tuple[str, ...]:
    """Return the shared secrets in `text`. Raises UnusableKey if one is too short, easy to guess or repeated."""
    found = split_secrets(text)
    for secret in found:
        check_secret(secret)
    return found


def identity_signer(text: str) -> AssertionSigner:
    """Return the signer for the first secret in `text`, an identity secret or a key pair's private PEM.

    Raises UnusableKey, also if the other secret is too short or easy to guess.
    """
    first, *others = split_secrets(text)
    for secret in others:
        if "-----BEGIN " not in secret:
            check_secret(secret)
    return assertion_signer(first)


def verify_with_any(secrets: Sequence[str], verify: Callable[[str], Verified]) -> Verified:
    """Return `verify(secret)` for the first secret that signed the token. Raises what `verify` raises.

    An error other than BadSignature is final: the secret is the right one, and the token is invalid.
    """
    failure: InvalidToken = BadSignature()
    for secret in secrets:
        try:
            return verify(secret)
        except BadSignature as error:
            failure = error
    raise failure
