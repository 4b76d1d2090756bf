"""Forks processes that send the mails of an outbox until none waits, for tests that kill them.

It imports the service once and then reads commands from its standard input: `start AHEAD` forks a process whose clock
is so many seconds in front of the system's and prints its id; `wait ID` prints its exit status.
"""

import os
import sys
import time

from auth_service.app import create_app
from auth_service.services import services
from auth_service.settings import AuthSettings
from chassis.settings import load
from tests.clocks import ShiftedClock


def send(ahead: float) -> None:
    """Send until the outbox is empty."""
    app = create_app(load(AuthSettings, os.environ), clock=ShiftedClock(ahead))
    with app.app_context():
        deadline = time.monotonic() + 30
        while services().outbox.waiting() and time.monotonic() < deadline:
            services().mail_sender.send_due()
            time.sleep(0.01)  # another process may have claimed the rest


def main() -> None:
    """Run the commands of standard input."""
    for line in sys.stdin:
        command, argument = line.split()
        if command == "wait":
            _, status = os.waitpid(int(argument), 0)
            answer = os.waitstatus_to_exitcode(status)
        elif (answer := os.fork()) == 0:
            sys.stdout = sys.stderr  # the log
            try:
                send(float(argument))
            finally:
                os._exit(0)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
