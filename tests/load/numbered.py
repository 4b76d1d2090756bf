"""Requests and responses that contain their number everywhere, so that any part shows to which request it belongs."""

import random

LARGE_EVERY = 199
"""One in so many is larger than what buffers hold at once."""


def pattern(number: int, salt: bytes) -> bytes:
    """Return the body of a number: mostly some hundred bytes, sometimes some hundred thousand, or none."""
    word = b"%b%d," % (salt, number)
    times = number * 7919 % 150 if number % LARGE_EVERY else 10_000 + number % 10_000
    return word * times


def question(number: int) -> bytes:
    """Return the request's body; half of the requests have none."""
    return pattern(number, b"q") if number % 2 else b""


def answer(number: int) -> bytes:
    """Return the response's body."""
    return b"%d:" % number + pattern(number, b"a")


def in_chunks(body: bytes, dice: random.Random) -> bytes:
    """Return the body in chunked framing, cut at random."""
    framed, rest = [], body
    while rest:
        size = dice.randint(1, len(rest))
        framed.append(b"%x\r\n%b\r\n" % (size, rest[:size]))
        rest = rest[size:]
    return b"".join([*framed, b"0\r\n\r\n"])
