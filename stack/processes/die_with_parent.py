"""Replace this process by a program that the kernel terminates when the stack ends, even if the stack is killed.

Usage: `python die_with_parent.py PARENT_PID PROGRAM [ARGUMENT ...]`. For Linux only; elsewhere programs are started
directly. It is a separate program because Python code in a preexec_fn can deadlock between fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main(parent: str, *argv: str) -> None:
    """Set the parent-death signal and execute the program `argv`. Does not return."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have ended before prctl was called.
    if os.getppid() != int(parent):
        sys.exit("the stack has ended")
    os.execv(argv[0], argv)  # noqa: S606 - the arguments come from the plan


if __name__ == "__main__":
    main(*sys.argv[1:])
