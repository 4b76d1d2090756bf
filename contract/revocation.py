"""Owns the revocation feed: the Redis keys and records by which gateways learn what has ended.

The feed is a stream. Every record says until when it is needed: as long as the longest-lived access token that it may
have to stop, whatever the settings were when that token was issued. Its writer trims what nobody needs any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contract.claims import LONGEST_ACCESS_LIFETIME

STREAM = "revocations"
EPOCH = "revocations:epoch"
"""Present while the stream is whole. Gone means Redis lost it: the auth service publishes again from SQL."""

ASKED = "revocations:asked"
"""A set of questions, each 32 random hexadecimal digits: a gateway asks whether the stream is whole.

An auth service takes the question out, publishes from SQL whatever the stream may lack, and answers with a record of
kind COMPLETE. What stands before that record in the stream is all that was revoked when the question was asked.
"""
ASKED_FOR = 60
"""Seconds that a question stands; a gateway that has no answer asks again each second."""
COMPLETE = "complete"

SESSION: Literal["sid"] = "sid"
SUBJECT: Literal["sub"] = "sub"
Kind = Literal["sid", "sub"]


@dataclass(frozen=True, slots=True)
class Revocation:
    """One session, or every session of one subject, has ended.

    `at` is in whole seconds since the epoch: a subject's tokens issued at or before it are refused, and a
    session's tokens whenever they were issued. None of these tokens is good after `until`.
    """

    kind: Kind
    value: str
    at: int
    until: int

    def to_fields(self) -> dict[str, str]:
        """The stream entry that says this."""
        return {"kind": self.kind, "value": self.value, "at": str(self.at), "until": str(self.until)}


def complete_fields(question: str, at: int) -> dict[str, str]:
    """The stream entry that answers a question of ASKED."""
    return {"kind": COMPLETE, "value": question, "at": str(at), "until": str(at)}


def read_revocation(fields: Mapping[str, str]) -> Revocation:
    """The revocation in a stream entry. Raises ValueError for what is none."""
    kind, value = fields.get("kind"), fields.get("value")
    if not value:
        raise ValueError("a revocation without a value")
    at = int(fields.get("at", ""))
    until = int(fields.get("until") or at + LONGEST_ACCESS_LIFETIME)
    if kind == SESSION:
        return Revocation(SESSION, value, at, until)
    if kind == SUBJECT:
        return Revocation(SUBJECT, value, at, until)
    raise ValueError(f"a revocation of unknown kind {kind!r}")
