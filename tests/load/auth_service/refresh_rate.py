"""Measure refreshes per second of an auth service or a gateway at an http or unix URL.

`python -m tests.load.auth_service.refresh_rate URL` opens sessions and refreshes them in turn, each with the token of
its last response. It prints rate, latencies and statuses, and exits with 1 if a response was not a 200. Start the
service with cheap hashes (ARGON2_TIME_COST=1 ARGON2_MEMORY_COST=8), so that log-ins take less time than refreshes.
"""

import argparse
import asyncio
import json
import secrets
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PASSWORD = "L0ad-" + secrets.token_hex(8)


class Connection:
    """A keep-alive connection that carries one request at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, **members: str) -> tuple[int, dict[str, str]]:
        """Send a document; return status and body of the response."""
        reader, writer = self._streams or await self._connect()
        body = json.dumps(members).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines if line)
        response = await reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            self.close()
        return int(status_line.split()[1]), json.loads(response or b"{}")

    def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._url.startswith("unix:"):
            self._streams = await asyncio.open_unix_connection(self._url.removeprefix("unix:"))
        else:
            address = urlsplit(self._url)
            self._streams = await asyncio.open_connection(address.hostname, address.port or 80)
        return self._streams


@dataclass
class RefreshRun:
    """The parameters and results of a run. Latencies are in seconds."""

    url: str
    rate: float
    ends_at: float
    left: int
    sessions: deque[str] = field(default_factory=deque)
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    started: int = 0

    async def log_in(self, number: int) -> None:
        """Register a user, log in `number` times, and store each session's refresh token."""
        connection = Connection(self.url)
        email = f"load-{secrets.token_hex(8)}@example.org"
        await connection.post("/auth/users/", email=email, password=PASSWORD)
        for _ in range(number):
            status, response = await connection.post("/auth/jwt/create/", email=email, password=PASSWORD)
            if status != 200:
                raise SystemExit(f"log-in failed with {status}: {response}")
            self.sessions.append(response["refresh"])
        connection.close()

    async def refresh(self, begun_at: float, number: int) -> None:
        """Refresh one session after the other, at the rate of all clients together or as fast as possible.

        `number` is the index of this client, and `begun_at` the start of the run in perf_counter seconds.
        """
        connection = Connection(self.url)
        # Connections open one after the other, so that all workers of the server accept some.
        await asyncio.sleep(number * 0.02)
        while self.left > 0 and time.perf_counter() < self.ends_at and self.sessions:
            self.left -= 1
            due = begun_at + self.started / self.rate if self.rate else 0.0
            self.started += 1
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            token = self.sessions.popleft()
            # At a fixed rate the latency includes the delay of a late start, which a real client would see too.
            sent_at = due or time.perf_counter()
            status, response = await connection.post("/auth/jwt/refresh/", refresh=token)
            self.latencies.append(time.perf_counter() - sent_at)
            self.statuses[status] += 1
            self.sessions.append(response.get("refresh", token))
        connection.close()


async def measure(options: argparse.Namespace) -> RefreshRun:
    """Log in, refresh, and print the results."""
    run = RefreshRun(options.url, options.rate, 0.0, options.refreshes)
    logins = min(4, options.sessions)  # few enough that no log-in waits for password hashing
    shares = [options.sessions // logins + (index < options.sessions % logins) for index in range(logins)]
    await asyncio.gather(*(run.log_in(share) for share in shares))
    begun_at = time.perf_counter()
    run.ends_at = begun_at + options.seconds
    await asyncio.gather(
        *(run.refresh(begun_at, number) for number in range(min(options.connections, options.sessions)))
    )
    took = time.perf_counter() - begun_at
    ordered = sorted(run.latencies)
    p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    statuses = ", ".join(f"{status}: {number}" for status, number in sorted(run.statuses.items()))
    sys.stdout.write(
        f"{len(ordered)} refreshes of {options.sessions} sessions in {took:.1f} s: {len(ordered) / took:.0f}/s, "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {1000 * ordered[-1]:.1f} ms; {statuses}\n"
    )
    return run


def main() -> int:
    """Measure, and return the exit status: 1 if a response was not a 200."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.auth_service.refresh_rate", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--refreshes", type=int, default=1_000_000, help="maximum number of refreshes (1,000,000)")
    parser.add_argument("--rate", type=float, default=0.0, help="refreshes per second; as fast as possible without")
    run = asyncio.run(measure(parser.parse_args()))
    return 0 if set(run.statuses) == {200} else 1


if __name__ == "__main__":
    sys.exit(main())
