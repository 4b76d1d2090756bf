"""How many gateways and auth services a number of active users needs: `python -m tests.load.capacity --users 100000`.

A pure model of measured costs (tests/load/measured_costs.py) and of what users do. docs/capacity.md explains it.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.load.measured_costs import Costs, read_costs

_DAY = 86_400
_MONTH = 30 * _DAY
_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Habits:
    """What one active user does at the busiest time, and what is stored for a user. Change them to your own."""

    seconds_between_requests: float = 10
    access_lifetime: float = 300
    """ACCESS_TOKEN_LIFETIME: a user refreshes once in this time, in seconds."""
    logins_a_day: float = 1
    logouts_a_day: float = 0.2
    sessions: float = 2
    """Live sessions of a user: devices."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Assumptions that are not in the tables. `utilization` is the share of a core that may be used at the peak."""

    utilization: float = 0.5
    verified_tokens: int = 100_000
    """VERIFIED_TOKENS of a gateway worker."""
    redis_entry_bytes: float = 200
    session_row_bytes: float = 700
    """A row of `sessions` with its indexes."""
    audit_row_bytes: float = 400
    sql_writes_per_second: float = 5_000
    """Of one PostgreSQL primary on a machine of middle size with a fast disk: to be measured on yours."""
    redis_gib: float = 32
    feed_entries_per_second: float = 5_000
    """Revocations that every gateway worker reads: each takes it about 20 us, so a tenth of a core."""


@dataclass(frozen=True, slots=True)
class Need:
    """What `users` active users need. Rates are per second; cores are those of the busiest time, with headroom."""

    users: int
    requests: float
    refreshes: float
    logins: float
    token_hit_share: float
    """The share of requests whose token the gateway worker has verified before."""
    gateway_cores: int
    auth_cores: int
    gateway_worker_mib: float
    sql_writes: float
    redis_gib: float
    revocations: float
    storage_gib_a_month: float
    """New audit records of a month, without deletion."""
    sessions_gib: float

    def shares(self, limits: Limits) -> dict[str, float]:
        """Return how much of each limit that does not grow with more hosts is used: 1 is all."""
        return {
            "SQL writes of one primary": self.sql_writes / limits.sql_writes_per_second,
            "Redis memory": self.redis_gib / limits.redis_gib,
            "revocation feed": self.revocations / limits.feed_entries_per_second,
            "verified tokens of a gateway worker": 1 - self.token_hit_share,
        }

    def bottleneck(self, limits: Limits) -> tuple[str, float]:
        """Return the limit that is used most, and its share."""
        shares = self.shares(limits)
        name = max(shares, key=lambda each: shares[each])
        return name, shares[name]


def needs_of(users: int, habits: Habits, costs: Costs, limits: Limits) -> Need:
    """Return what `users` active users need."""
    requests = users / habits.seconds_between_requests
    refreshes = users / habits.access_lifetime
    logins = users * habits.logins_a_day / _DAY
    logouts = users * habits.logouts_a_day / _DAY
    hit_share = _token_hit_share(users, habits, limits)
    gateway_us = gateway_cpu_us(requests, refreshes + logins + logouts, hit_share, costs)
    sessions = users * habits.sessions
    remembered = min(users, limits.verified_tokens)
    revoked = logouts * habits.access_lifetime  # known until the access tokens have expired
    worker = remembered * costs.token_bytes + revoked * costs.revocation_bytes
    gateway_cores = _cores(gateway_us, limits)
    worker += users / gateway_cores * costs.connection_bytes
    return Need(
        users=users,
        requests=requests,
        refreshes=refreshes,
        logins=logins,
        token_hit_share=hit_share,
        gateway_cores=gateway_cores,
        auth_cores=_cores(auth_cpu_us(refreshes + logouts, logins, costs), limits),
        gateway_worker_mib=50 + worker / _MIB,
        sql_writes=refreshes + 2 * (logins + logouts),  # a session, and an audit record for a log-in or log-out
        redis_gib=sessions * limits.redis_entry_bytes / _GIB,
        revocations=logouts,
        storage_gib_a_month=(logins + logouts) * _MONTH * limits.audit_row_bytes / _GIB,
        sessions_gib=sessions * limits.session_row_bytes / _GIB,
    )


def gateway_cpu_us(requests: float, auth_requests: float, token_hit_share: float, costs: Costs) -> float:
    """Return the CPU time of the gateway in microseconds, for requests to services and to the auth service."""
    per_request = token_hit_share * costs.request_us + (1 - token_hit_share) * costs.unseen_token_us
    return requests * per_request + auth_requests * costs.request_us


def auth_cpu_us(refreshes: float, logins: float, costs: Costs) -> float:
    """Return the CPU time of the auth service in microseconds."""
    return refreshes * costs.refresh_us + logins * costs.login_us


def _token_hit_share(users: int, habits: Habits, limits: Limits) -> float:
    """Return the share of hits with one token a user, any of which any worker may receive.

    The first request with a new token is always a miss: one in each lifetime of a token.
    """
    known = min(1.0, limits.verified_tokens / users)
    first = min(1.0, habits.seconds_between_requests / habits.access_lifetime)
    return known * (1 - first)


def _cores(microseconds_a_second: float, limits: Limits) -> int:
    return max(1, math.ceil(microseconds_a_second / 1_000_000 / limits.utilization))


def table(needs: Sequence[Need], limits: Limits) -> str:
    """Return a table in Markdown with a column for each number of users."""
    rows: list[tuple[str, list[str]]] = [
        ("requests a second", [f"{need.requests:,.0f}" for need in needs]),
        ("refreshes a second", [f"{need.refreshes:,.1f}" for need in needs]),
        ("log-ins a second", [f"{need.logins:,.2f}" for need in needs]),
        ("tokens that a worker knows", [f"{need.token_hit_share:.0%}" for need in needs]),
        ("gateway cores (one worker each)", [f"{need.gateway_cores:,}" for need in needs]),
        ("memory of a gateway worker, MiB", [f"{need.gateway_worker_mib:,.0f}" for need in needs]),
        ("auth service cores", [f"{need.auth_cores:,}" for need in needs]),
        ("SQL writes a second", [f"{need.sql_writes:,.1f}" for need in needs]),
        ("Redis memory, GiB", [f"{need.redis_gib:,.3f}" for need in needs]),
        ("revocations a second", [f"{need.revocations:,.3f}" for need in needs]),
        ("SQL: sessions, GiB", [f"{need.sessions_gib:,.3f}" for need in needs]),
        ("SQL: audit records, GiB a month", [f"{need.storage_gib_a_month:,.3f}" for need in needs]),
        ("next bottleneck", ["{} ({:.0%})".format(*need.bottleneck(limits)) for need in needs]),
    ]
    header = ["active users", *(f"{need.users:,}" for need in needs)]
    lines = [header, ["---"] * len(header), *([name, *cells] for name, cells in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table for the given numbers of users."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.capacity", description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 100_000, 10_000_000], help="active users")
    parser.add_argument("--every", type=float, default=Habits().seconds_between_requests, help="seconds a request")
    parser.add_argument("--access-lifetime", type=float, default=Habits().access_lifetime, help="seconds")
    options = parser.parse_args(arguments)
    habits = Habits(seconds_between_requests=options.every, access_lifetime=options.access_lifetime)
    needs = [needs_of(users, habits, read_costs(), Limits()) for users in options.users]
    sys.stdout.write(table(needs, Limits()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
