"""Owns the revocation feed: the Redis keys and records by which gateways learn what has ended.

The feed is a stream, trimmed to the last access lifetime: older records speak of tokens that have expired.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

STREAM = "revocations"
EPOCH = "revocations:epoch"
"""Present while the stream is whole. Gone means Redis lost it: the auth service publishes again from SQL."""

SESSION: Literal["sid"] = "sid"
SUBJECT: Literal["sub"] = "sub"
Kind = Literal["sid", "sub"]


@dataclass(frozen=True, slots=True)
class Revocation:
    """One session, or every session of one subject, has ended.

    `at` is in whole seconds since the epoch: a subject's tokens issued at or before it are refused, and a
    session's tokens whenever they were issued.
    """

    kind: Kind
    value: str
    at: int

    def to_fields(self) -> dict[str, str]:
        """The stream entry that says this."""
        return {"kind": self.kind, "value": self.value, "at": str(self.at)}


def read_revocation(fields: Mapping[str, str]) -> Revocation:
    """The revocation in a stream entry. Raises ValueError for what is none."""
    kind, value = fields.get("kind"), fields.get("value")
    if not value:
        raise ValueError("a revocation without a value")
    at = int(fields.get("at", ""))
    if kind == SESSION:
        return Revocation(SESSION, value, at)
    if kind == SUBJECT:
        return Revocation(SUBJECT, value, at)
    raise ValueError(f"a revocation of unknown kind {kind!r}")
