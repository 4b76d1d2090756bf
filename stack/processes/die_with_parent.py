"""Replace this process by a program that the kernel terminates when the stack dies, for whatever reason.

Usage: `python die_with_parent.py PARENT_PID PROGRAM [ARGUMENT ...]`. Linux only: elsewhere programs are started
directly. A program of its own, because Python code in a preexec_fn may deadlock between fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main(parent: str, *argv: str) -> None:
    """Set the parent-death signal and execute the program. Never returns."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have died before prctl.
    if os.getppid() != int(parent):
        sys.exit("the stack has ended")
    os.execv(argv[0], argv)  # noqa: S606 - the arguments come from the plan


if __name__ == "__main__":
    main(*sys.argv[1:])
