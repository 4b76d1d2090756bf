"""Becomes another program that the kernel ends when the stack dies, however that comes about.

`python tether.py PARENT PROGRAM [WORD ...]`. Linux only: elsewhere the stack starts programs directly. It is
a program rather than a preexec_fn, because Python code between fork and exec may deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main(parent: str, *argv: str) -> None:
    """Does not return."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have died before the kernel was asked.
    if os.getppid() != int(parent):
        sys.exit("the stack is gone")
    os.execv(argv[0], argv)  # noqa: S606 - the words are the plan's


if __name__ == "__main__":
    main(*sys.argv[1:])
