"""Compare the model of tests/load/capacity.py with a running system: `python -m tests.load.capacity_check`.

CPU time is compared, because rates and latencies depend on what else the machine does.
"""

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass

from redis import Redis

from tests.faults.support.connection import Connection
from tests.load.capacity import auth_cpu_us, gateway_cpu_us
from tests.load.measured_costs import read_costs
from tests.load.measuring.processes import cpu_of
from tests.system.support.running_stack import Account, RunningStack, run_stack

PAUSE = 0.05
"""Mean pause of a user between two requests, in seconds."""
REQUESTS_A_REFRESH = 30


@dataclass
class Counts:
    """What users did: requests to a service, refreshes and log-ins, and responses that were not a 200."""

    requests: int = 0
    refreshes: int = 0
    logins: int = 0
    failures: int = 0


def main() -> int:
    """Print measured and predicted CPU time for each number of users."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    lines = ["| users | process | work | measured, CPU ms | predicted | error |", "|---|---|---|---|---|---|"]
    with run_stack() as stack:
        account = stack.register()
        idle = _idle_cpu(stack, options.seconds)
        for users in options.users:
            lines += _rows(stack, account, users, options.seconds, idle)
        lines.append(f"\nRedis: {_redis_entry_bytes(stack):.0f} bytes for the entry of a session")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _idle_cpu(stack: RunningStack, seconds: float) -> tuple[float, float]:
    """Return the CPU time of gateway and auth service without requests, in microseconds for each second."""
    before = _cpu(stack)
    time.sleep(seconds)
    gateway_us, auth_us = (after - begun for after, begun in zip(_cpu(stack), before, strict=True))
    return gateway_us / seconds, auth_us / seconds


def _rows(stack: RunningStack, account: Account, users: int, seconds: float, idle: tuple[float, float]) -> list[str]:
    costs, counts = read_costs(), Counts()
    before, began = _cpu(stack), time.monotonic()
    asyncio.run(_use(stack, account, users, seconds, counts))
    lasted = time.monotonic() - began
    gateway_us, auth_us = (
        after - begun - lasted * rest for after, begun, rest in zip(_cpu(stack), before, idle, strict=True)
    )
    assert counts.failures == 0, f"{counts.failures} responses were not as expected"
    work = f"{counts.requests:,} requests, {counts.refreshes:,} refreshes, {counts.logins:,} log-ins"
    predicted = (
        gateway_cpu_us(counts.requests, counts.refreshes + counts.logins, 1.0, costs),
        auth_cpu_us(counts.refreshes, counts.logins, costs),
    )
    names = ("gateway", "auth service")
    return [
        f"| {users} | {name} | {work} | {used / 1000:,.0f} | {foreseen / 1000:,.0f} | {foreseen / used - 1:+.0%} |"
        for name, used, foreseen in zip(names, (gateway_us, auth_us), predicted, strict=True)
    ]


async def _use(stack: RunningStack, account: Account, users: int, seconds: float, counts: Counts) -> None:
    until = time.monotonic() + seconds
    slots = asyncio.Semaphore(2)  # log-ins at a time: none is refused because its queue is full
    await asyncio.gather(*(_user(stack, account, until, slots, counts) for _ in range(users)))


async def _user(
    stack: RunningStack, account: Account, until: float, slots: asyncio.Semaphore, counts: Counts
) -> None:
    credentials = {"email": account.email, "password": account.password}
    async with Connection(stack.url, 60) as connection:
        async with slots:
            response = await connection.request("POST", "/auth/jwt/create/", document=credentials)
        counts.logins += 1
        while response.status == 200:
            tokens = response.document
            for _ in range(REQUESTS_A_REFRESH):
                await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))
                answer = await connection.request("GET", "/api/whoami", access=tokens["access"])
                counts.requests += 1
                counts.failures += answer.status != 200
            if time.monotonic() > until:
                return
            document = {"refresh": tokens["refresh"]}
            response = await connection.request("POST", "/auth/jwt/refresh/", document=document)
            counts.refreshes += 1
        counts.failures += 1


def _cpu(stack: RunningStack) -> tuple[float, float]:
    """Return the CPU time of the gateway and of the auth service so far, in microseconds."""
    return cpu_of(stack.pids("gateway")), cpu_of(stack.pids("auth_service"))


def _redis_entry_bytes(stack: RunningStack) -> float:
    """Return the mean memory of the entries in Redis, without the revocation feed."""
    with Redis.from_url(f"unix://{stack.data_dir / 'run' / 'valkey.sock'}") as redis:
        sizes = [redis.memory_usage(key) or 0 for key in redis.scan_iter() if redis.type(key) == b"string"]
    return sum(sizes) / max(len(sizes), 1)


if __name__ == "__main__":
    sys.exit(main())
