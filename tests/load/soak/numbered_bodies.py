"""Request and response bodies that repeat their number, so that every part shows to which request it belongs."""

import random

LARGE_EVERY = 199
"""One body in this many is larger than the buffers."""


def pattern(number: int, salt: bytes) -> bytes:
    """Return a body that repeats `salt` and `number`: up to 149 times, and for some numbers at least 10,000 times."""
    unit = b"%b%d," % (salt, number)
    # 7919 is a prime, so that consecutive numbers have lengths that differ much.
    times = number * 7919 % 150 if number % LARGE_EVERY else 10_000 + number % 10_000
    return unit * times


def request_body(number: int) -> bytes:
    """Return the body of the request with this number; half of the requests have none."""
    return pattern(number, b"q") if number % 2 else b""


def response_body(number: int) -> bytes:
    """Return the body of the response to the request with this number."""
    return b"%d:" % number + pattern(number, b"a")


def in_chunks(body: bytes, rng: random.Random) -> bytes:
    """Return the body in chunked framing, cut at random."""
    framed, rest = [], body
    while rest:
        size = rng.randint(1, len(rest))
        framed.append(b"%x\r\n%b\r\n" % (size, rest[:size]))
        rest = rest[size:]
    return b"".join([*framed, b"0\r\n\r\n"])
