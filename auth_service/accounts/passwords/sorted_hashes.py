"""Files of sorted lines `HASH:COUNT`: find a line by binary search, and check that a file has this form.

A search reads one block for each step, so it needs constant memory: about 30 blocks in a file of a billion lines.
Each search opens the file, so that a file that was replaced is used at once.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAX_LINE = 128
"""Bytes of a line, with its end. A longer one is malformed."""
_SAMPLES = 256
"""Places of a file at which check_sorted reads, because a whole list of breached passwords has 40 GB."""


class MalformedHashes(ValueError):
    """A file does not consist of sorted lines of the expected form. The message has neither a path nor a hash."""


def count_of(file: Path, key: str) -> int:
    """Return the count in the line whose hash is `key` (upper-case hexadecimal digits), and 0 without such a line.

    A line without a count counts as 1. Raises OSError or MalformedHashes.
    """
    wanted = key.encode("ascii")
    with _open(file) as (descriptor, size):
        low, high = 0, size  # the line, if there is one, begins in this range
        while low < high:
            start, end, line = _line_at(descriptor, (low + high) // 2)
            found = line[: len(wanted)].upper()
            if found == wanted:
                return _count(line[len(wanted) :])
            if found < wanted:
                low = end
            else:
                high = start
    return 0


def check_sorted(file: Path, key_length: int) -> None:
    """Check the form and the order of lines at 256 places. Raises OSError or MalformedHashes."""
    form = re.compile(rb"[0-9A-Fa-f]{%d}(:[0-9]+)?\r?\n?" % key_length)
    with _open(file) as (descriptor, size):
        if not size:
            raise MalformedHashes("is empty")
        previous, checked_until = b"", 0
        for sample in range(_SAMPLES):
            _, end, line = _line_at(descriptor, size * sample // _SAMPLES)
            if end <= checked_until:
                continue
            # The line after it too, so that a file whose neighbours are exchanged is found.
            for one in (line, _line_at(descriptor, end)[2] if end < size else b""):
                if one and not form.fullmatch(one):
                    raise MalformedHashes(f"must have lines of {key_length} hexadecimal digits, a colon and a count")
                if one and one[:key_length].upper() < previous:
                    raise MalformedHashes("must be sorted by hash")
                previous = one[:key_length].upper() or previous
            checked_until = end


@contextmanager
def _open(file: Path) -> Iterator[tuple[int, int]]:
    """Open a file for reading; yield its descriptor and its size in bytes."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor, os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _line_at(descriptor: int, position: int) -> tuple[int, int, bytes]:
    """Return the line that contains the byte at `position`: where it begins and ends, and its bytes with the end."""
    block_start = max(0, position - _MAX_LINE)
    block = os.pread(descriptor, 2 * _MAX_LINE, block_start)
    offset = position - block_start
    start = block.rfind(b"\n", 0, offset) + 1
    if not start and block_start:
        raise MalformedHashes("has a line that is too long")
    newline = block.find(b"\n", offset)
    if newline < 0 and len(block) == 2 * _MAX_LINE:
        raise MalformedHashes("has a line that is too long")
    end = newline + 1 if newline >= 0 else len(block)
    if end <= offset:  # the file became shorter since its size was read
        raise MalformedHashes("was shortened while it was read")
    return block_start + start, block_start + end, block[start:end]


def _count(rest: bytes) -> int:
    digits = rest.strip().removeprefix(b":")
    if not digits:
        return 1
    if not digits.isdigit():
        raise MalformedHashes("has a count that is not a number")
    return int(digits)
