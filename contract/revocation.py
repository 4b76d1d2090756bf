"""The revocation feed: the Redis keys and records from which gateways learn which sessions have ended.

The feed is a Redis stream, written by the auth service. Each record has an `until`: the expiry of the longest-lived
access token that it revokes, under the settings in force when that token was issued. Older records are trimmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contract.claims import LONGEST_ACCESS_LIFETIME

STREAM = "revocations"
EPOCH = "revocations:epoch"
"""A key that exists while the stream is complete. If it is missing, Redis has lost data: the auth service publishes
the stream again from SQL."""

QUERIES = "revocations:asked"
"""A set of queries, each 32 random hexadecimal digits, by which gateways ask whether the stream is complete.

An auth service removes the query, publishes from SQL what the stream may lack, and adds a record of kind COMPLETE.
The records before it contain everything that was revoked when the query was added.
"""
QUERY_TTL = 60
"""Seconds after which a query expires. A gateway without an answer asks again each second."""
COMPLETE = "complete"

SESSION: Literal["sid"] = "sid"
SUBJECT: Literal["sub"] = "sub"
Kind = Literal["sid", "sub"]


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of one session, or of all sessions of one subject.

    `at` is in whole seconds since the epoch. Of a subject, tokens issued at or before `at` are revoked; of a session,
    all tokens. All these tokens have expired by `until`.
    """

    kind: Kind
    value: str
    at: int
    until: int

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the stream entry."""
        return {"kind": self.kind, "value": self.value, "at": str(self.at), "until": str(self.until)}


def complete_fields(query: str, at: int) -> dict[str, str]:
    """Return the fields of the stream entry that answers a query."""
    return {"kind": COMPLETE, "value": query, "at": str(at), "until": str(at)}


def read_revocation(fields: Mapping[str, str]) -> Revocation:
    """Return the revocation in a stream entry. Raises ValueError if it is malformed."""
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
