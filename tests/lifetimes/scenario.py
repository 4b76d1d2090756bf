"""The lives of simulated apps as data, one JSON document a life, which the player of the Python client plays.

`python -m tests.lifetimes.scenario --lives 10 --seed 1` prints them. A life has an account and a session of its own:

    {"life": 17, "variant": 2, "processes": 2, "steps": [...]}

`variant` lets a player choose between its HTTP libraries. Processes share one token storage; in a browser they are
tabs. The steps are played in this order:

    {"do": "requests", "requests": [...], "refresh": [FAULT...], "offline": seconds}
        all at once. The next refreshes have these faults. For `offline` seconds nothing reaches the server
    {"do": "wait", "seconds": s}                longer than the lifetime of an access token
    {"do": "clock", "process": p, "seconds": s} its clock is moved; back, if negative
    {"do": "restart", "process": p}             it starts again with what is stored
    {"do": "die", "process": p, "byte": n}      it refreshes, and dies while it writes the new tokens, after `n` bytes
                                                (null: just after the new tokens have replaced the old ones)
    {"do": "kill", "process": p, "after": s}    a real process refreshes all the time, and is killed after `s` seconds
    {"do": "log-out", "process": p}             and logs in again
    {"do": "end"}                               another device ends the session; the app notices, and logs in again

A request is `{"process": p, "method": "GET" or "POST", "fault": FAULT or null, "sending": n}`: its n-th sending has
the fault. A POST creates a note whose title is unique in the life. The faults are `unsent` (the connection fails
before anything is sent) and the faults of the gateway (docs/development.md).

What must hold: every request ends. Without a fault, and while the session lives, it succeeds. Nobody is logged
out, except by `log-out` and `end`. No note exists twice. One whose POST succeeded exists, and one that
was never sent does not.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

Life = dict[str, Any]
Step = dict[str, Any]

ACCESS_LIFETIME = 4
"""ACCESS_TOKEN_LIFETIME of the stack, in seconds."""

REFRESH_GRACE = 5
"""REFRESH_GRACE of the stack, in seconds."""

STACK_SETTINGS = {
    # Passwords are no part of this: with the default cost, hashing would take most of the time.
    "ARGON2_TIME_COST": "1",
    "ARGON2_MEMORY_COST": "8",
    "DEVELOPMENT": "on",
    "LOG_LEVEL": "ERROR",
    "ACCESS_LOG": "off",
}
"""The settings of every stack that lives are played against."""

SETTINGS = {
    **STACK_SETTINGS,
    "ACCESS_TOKEN_LIFETIME": str(ACCESS_LIFETIME),
    "ACCESS_TOKEN_LEEWAY": "0",
    "ACCESS_LIFETIME_JITTER": "0",
    "REFRESH_GRACE": str(REFRESH_GRACE),
}
"""The settings of the stack that the lives below are played against."""

_WEIGHTS = {"requests": 12, "wait": 1, "clock": 2, "restart": 2, "die": 3, "log-out": 1, "end": 1, "kill": 0.05}
_REFRESH_FAULTS = ("unsent", "lost-answer", "lost-answer", "unavailable")
_TOKEN_FILE_BYTES = 1300


@dataclass(frozen=True, slots=True)
class Selection:
    """The lives to play: `count` of them, from the number `first` on. Each depends on `seed` and its number alone."""

    count: int
    first: int
    seed: int

    def lives(self) -> Iterator[Life]:
        """Yield the lives."""
        return lives(self.first, self.count, self.seed)


def lives(first: int, count: int, seed: int) -> Iterator[Life]:
    """Yield the lives with the numbers from `first` on. A life depends on the seed and its number alone."""
    for number in range(first, first + count):
        yield _life(number, Random(f"{seed} {number}"))


def _life(number: int, random: Random) -> Life:
    processes = random.choice((1, 1, 2, 3))
    kinds = random.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()), k=random.randint(3, 7))
    steps = [_step(kind, random, processes) for kind in ["requests", *kinds, "requests"]]
    return {"life": number, "variant": random.randrange(1000), "processes": processes, "steps": steps}


def _step(kind: str, random: Random, processes: int) -> Step:
    process = random.randrange(processes)
    match kind:
        case "requests":
            return _requests(random, processes)
        case "wait":
            return {"do": "wait", "seconds": round(ACCESS_LIFETIME + random.uniform(0.05, 0.3), 2)}
        case "clock":
            seconds = random.choice((-86400, -3600, -ACCESS_LIFETIME, ACCESS_LIFETIME, 3600, 86400))
            return {"do": "clock", "process": process, "seconds": seconds}
        case "die":
            byte = random.choice((None, random.randrange(_TOKEN_FILE_BYTES)))
            return {"do": "die", "process": process, "byte": byte}
        case "kill":
            return {"do": "kill", "process": process, "after": round(random.uniform(0, 0.3), 3)}
        case "end":
            return {"do": "end"}
        case _:
            return {"do": kind, "process": process}


def _requests(random: Random, processes: int) -> Step:
    requests = [_request(random, processes) for _ in range(random.randint(1, 5))]
    if random.random() < 0.3:
        for request in requests:  # the access token expires for all at once
            request.update(fault="expired-token", sending=1)
    faults = random.choices(_REFRESH_FAULTS, k=random.choice((0, 0, 1, 1, 2)))
    offline = round(random.uniform(0.05, 0.6), 2) if random.random() < 0.15 else 0
    return {"do": "requests", "requests": requests, "refresh": faults, "offline": offline}


def _request(random: Random, processes: int) -> Step:
    faults = (None, None, None, "unsent", "lost-answer", "unavailable", "expired-token", "expired-token")
    fault = random.choice(faults)
    # The second sending may have a token that was just refreshed: no client may refresh again when that is refused.
    sending = 1 if fault == "expired-token" else random.choice((1, 1, 2))
    method = random.choice(("GET", "POST"))
    return {"process": random.randrange(processes), "method": method, "fault": fault, "sending": sending}


def main() -> int:
    """Print lives, one a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.lifetimes.scenario")
    parser.add_argument("--lives", type=int, default=10, help="how many (10)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one (0)")
    parser.add_argument("--seed", type=int, default=1, help="the seed (1)")
    options = parser.parse_args()
    for life in lives(options.first, options.lives, options.seed):
        sys.stdout.write(f"{json.dumps(life)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
