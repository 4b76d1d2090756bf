"""Forward Ethernet frames between two interfaces, each after a delay, and drop some of them.

`python -m tests.hosts.support.slow_link INTERFACE INTERFACE DELAY_SECONDS LOSS_SHARE`
"""

import asyncio
import random
import socket
import sys
from contextlib import suppress

_ETH_P_ALL = 3
_MAX_FRAME = 65_536


def main() -> None:
    """Forward until the process is ended. Prints `ready` when frames are forwarded."""
    first, second, delay, loss = sys.argv[1:]
    asyncio.run(_forward(first, second, float(delay), float(loss)))


async def _forward(first: str, second: str, delay: float, loss: float) -> None:
    loop = asyncio.get_running_loop()
    one, other = _open(first), _open(second)

    def receive(source: socket.socket, target: socket.socket) -> None:
        frame, address = source.recvfrom(_MAX_FRAME)
        if address[2] != socket.PACKET_OUTGOING and random.random() >= loss:
            loop.call_later(delay, _send, target, frame)

    loop.add_reader(one, receive, one, other)
    loop.add_reader(other, receive, other, one)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def _open(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    opened.bind((interface, 0))
    opened.setblocking(False)
    return opened


def _send(target: socket.socket, frame: bytes) -> None:
    with suppress(OSError):  # a full queue or an interface that is down loses the frame, as a link does
        target.send(frame)


if __name__ == "__main__":
    main()
