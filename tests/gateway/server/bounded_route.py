"""A route with a concurrency limit, and a check that no concurrency slot leaks."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.gateway.raw_client import RawClient
from tests.gateway.raw_upstream import WAIT, Conversation, RawUpstream, ok
from tests.gateway.running_gateway import RunningGateway

SLOTS = 3
"""Maximum number of concurrent requests of the bounded route."""

ROUTES = f"""
[upstreams.notes]
urls = ["${{RESOURCE_URL}}"]
identity = false
break_after = 0

[[routes]]
prefix = "/private/"
upstream = "notes"
access = "authenticated"
max_body = "1GiB"

[[routes]]
prefix = "/small-body/"
upstream = "notes"
access = "public"
max_body = 10

[[routes]]
prefix = "/bounded/"
upstream = "notes"
access = "public"
max_concurrent = {SLOTS}
max_body = "1GiB"
"""

REFUSED = b"GET /private/ HTTP/1.1\r\nHost: h\r\n\r\n"
GOOD_GET = b"GET /bounded/get HTTP/1.1\r\nHost: h\r\n\r\n"
GOOD_POST = b"POST /bounded/post HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
GARBAGE = b"\0\r\n\r\n"


def statuses_until_closed(client: RawClient) -> list[int]:
    """Return the status of every response until the server closes the connection."""
    statuses: list[int] = []
    while True:
        try:
            statuses.append(client.read_response().status)
        except ConnectionError:
            return statuses


def all_slots_are_free(gateway: RunningGateway, upstream: RawUpstream) -> bool:
    """Return whether the bounded route serves SLOTS requests concurrently."""
    arrived, go_on = threading.Semaphore(0), threading.Event()

    async def held(conversation: Conversation) -> None:
        await conversation.read_body()
        arrived.release()
        await asyncio.to_thread(go_on.wait, WAIT)
        await conversation.write(ok())

    def send(_: int) -> int:
        with gateway.connect() as client:
            return client.request("GET /bounded/ HTTP/1.1", "Host: h").status

    upstream.begin(held)
    with ThreadPoolExecutor(SLOTS) as threads:
        statuses = threads.map(send, range(SLOTS))
        all_arrived = [arrived.acquire(timeout=WAIT / 5) for _ in range(SLOTS)]
        go_on.set()
        return all(all_arrived) and list(statuses) == [200] * SLOTS
