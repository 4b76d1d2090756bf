"""The revocation feed: the Redis keys and records from which gateways learn which sessions have ended.

The feed is a Redis stream, written by the auth service. Each record has an `until`: the time when the last access
token that it revokes expires. The auth service keeps a record in the stream at least until then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contract.claims import LONGEST_ACCESS_LIFETIME

STREAM = "revocations"
"""The Redis key of the stream."""
EPOCH = "{revocations}:epoch"
"""A key whose value is the run id of the server to which all revocations were published.

If it is missing or another, Redis has lost its data, was restarted, or a replica that may lack the last writes has
become the primary: the auth service publishes all revocations again from SQL. The braces are a hash tag: in a Redis
Cluster, the key is on the node of the stream and gets lost with it.
"""

COMPLETENESS_QUERIES = "revocations:asked"
"""A Redis set of completeness queries. A gateway adds one, 32 random hexadecimal digits, if it has to know that it
has read every revocation.

The auth service removes the query, publishes all revocations again from SQL, and then adds a reply to the stream.
The records before the reply contain everything that was revoked when the gateway added the query.
"""
COMPLETENESS_QUERY_TTL = 60
"""Seconds after which the set expires. A gateway adds its query again each second until it reads the reply."""
COMPLETENESS_REPLY = "complete"
"""The `kind` of a record that replies to a completeness query."""

SESSION: Literal["sid"] = "sid"
SUBJECT: Literal["sub"] = "sub"
Kind = Literal["sid", "sub"]
"""Whether a record revokes a session or a subject: the claim that its value is compared with."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of one session, or of all sessions of one subject. `value` is its `sid` or `sub`.

    The project's auth service revokes single sessions; gateways accept both kinds.

    `at` and `until` are in whole seconds since the epoch. For a session, all its tokens are revoked; for a subject,
    the tokens that were issued at or before `at`. By `until` all of them have expired.
    """

    kind: Kind
    value: str
    at: int
    until: int

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the stream entry."""
        return {"kind": self.kind, "value": self.value, "at": str(self.at), "until": str(self.until)}


def completeness_reply(query: str, at: int) -> dict[str, str]:
    """Return the fields of the stream entry that replies to `query`."""
    return {"kind": COMPLETENESS_REPLY, "value": query, "at": str(at), "until": str(at)}


def read_revocation(fields: Mapping[str, str]) -> Revocation:
    """Return the revocation in a stream entry. Raises ValueError if it is malformed or of another kind.

    Without `until`, the longest lifetime of an access token is assumed.
    """
    kind, value = fields.get("kind"), fields.get("value")
    if not value:
        raise ValueError("the revocation has no value")
    at = int(fields.get("at", ""))
    until = int(fields.get("until") or at + LONGEST_ACCESS_LIFETIME)
    if kind == SESSION:
        return Revocation(SESSION, value, at, until)
    if kind == SUBJECT:
        return Revocation(SUBJECT, value, at, until)
    raise ValueError(f"the revocation has the unknown kind {kind!r}")
