"""The command `python -m doctor`."""

import os
import sys

from doctor.cli import main

if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    # Not sys.exit, which would wait for the thread of a probe whose server sends a byte now and then.
    os._exit(status)
