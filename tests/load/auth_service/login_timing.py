"""Compare the duration of refused log-ins for existing accounts and unknown names.

`python -m tests.load.auth_service.login_timing [PAIRS]` starts a system and sends the log-ins in pairs, in random
order. It prints the medians, and how often the existing account was the slower one: 50 % means no difference.
"""

import random
import statistics
import sys
from math import sqrt

import requests

from auth_service.settings import SECURE_HASH
from tests.faults.support.running_system import running_system

WARM_UP_FAILURES = 150
"""Failed log-ins with unknown names before the first pair."""


def main(pairs: int) -> None:
    """Send `pairs` pairs of refused log-ins, and print the comparison."""
    cost = {"ARGON2_TIME_COST": str(SECURE_HASH.time), "ARGON2_MEMORY_COST": str(SECURE_HASH.memory)}
    with running_system(gateways=1, RATE_LIMITS="off", **cost) as system, requests.Session() as http:
        account = system.client().register()

        def login_seconds(email: str) -> float:
            response = http.post(
                f"{system.url}/auth/jwt/create/", json={"email": email, "password": "wrong"}, timeout=30
            )
            assert response.status_code == 401
            return response.elapsed.total_seconds()

        for number in range(WARM_UP_FAILURES):
            login_seconds(f"nobody{number}@example.org")
        known: list[float] = []
        unknown: list[float] = []
        for number in range(pairs):
            pair = [(account.email, known), (f"stranger{number}@example.org", unknown)]
            random.shuffle(pair)
            for email, times in pair:
                times.append(login_seconds(email))
    slower = sum(one > other for one, other in zip(known, unknown, strict=True))
    sys.stdout.write(
        f"{pairs} pairs: known p50 {statistics.median(known) * 1000:.2f} ms, "
        f"unknown p50 {statistics.median(unknown) * 1000:.2f} ms, "
        f"known slower in {100 * slower / pairs:.0f} % (chance: 50 ± {100 / sqrt(pairs):.0f} %)\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
