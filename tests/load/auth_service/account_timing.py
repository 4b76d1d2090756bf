"""Compare the duration of requests for existing accounts and for unknown ones.

`make timing` starts systems with the shipped password cost and sends log-ins with a wrong password, password resets,
activation mails and registrations in pairs, in random order. It prints the medians and whether the difference can be
chance, and exits with 1 if one of them shows which accounts exist.
"""

import argparse
import http.client
import json
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from urllib.parse import urlsplit

from auth_service.settings import SECURE_HASH
from tests.faults.support.running_system import running_system
from tests.load.auth_service.paired_times import PairedTimes
from tests.system.support.running_stack import PASSWORD

KNOWN_ACCOUNTS = 20
WARM_UP = 50
"""Requests of each kind before the first pair."""
MAX_DIFFERENCE = 0.05
"""The medians may differ by this fraction."""
MIN_PROBABILITY = 0.001
"""A difference that is less likely to be chance shows which accounts exist."""

HIGH_LIMIT = "1000000/hour"
SETTINGS = {
    "ARGON2_TIME_COST": str(SECURE_HASH.time),
    "ARGON2_MEMORY_COST": str(SECURE_HASH.memory),
    "RATE_LIMITS": "on",
    **{
        f"{limit}{scope}": HIGH_LIMIT
        for limit in ("LOGIN_FAILURES", "MAIL_REQUESTS")
        for scope in ("", "_PER_ACCOUNT", "_PER_ADDRESS")
    },
    "REGISTRATIONS_PER_ACCOUNT": HIGH_LIMIT,
    "REGISTRATIONS_PER_ADDRESS": HIGH_LIMIT,
}
VERIFICATION = {"SEND_ACTIVATION_EMAIL": "on", "CONCEAL_REGISTERED_EMAILS": "on"}

MakeBody = Callable[[str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Requests to compare: the path, the body for an e-mail address, and the system's further settings."""

    name: str
    path: str
    body: MakeBody
    statuses: frozenset[int]
    settings: Mapping[str, str]


COMPARISONS = (
    Comparison(
        "log-in", "/auth/jwt/create/", lambda email: {"email": email, "password": "wrong"}, frozenset({401}), {}
    ),
    Comparison("reset", "/auth/users/reset_password/", lambda email: {"email": email}, frozenset({204}), {}),
    Comparison(
        "resend", "/auth/users/resend_activation/", lambda email: {"email": email}, frozenset({204}), VERIFICATION
    ),
    Comparison(
        "registration",
        "/auth/users/",
        lambda email: {"email": email, "password": PASSWORD},
        frozenset({201}),
        VERIFICATION,
    ),
)


class Sender:
    """Sends requests on one connection and measures them."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def send(self, path: str, document: Mapping[str, str]) -> tuple[int, float]:
        """Return the status and the seconds until the response was complete."""
        body = json.dumps(document)
        begin = time.perf_counter()
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - begin


def new_address() -> str:
    """Return an e-mail address without an account. All have the same length."""
    return f"{token_hex(8)}@example.com"


def compare(sender: Sender, comparison: Comparison, known: list[str], pairs: int) -> PairedTimes | None:
    """Send the pairs; return None if the system does not serve the path."""
    known_times: list[float] = []
    unknown_times: list[float] = []
    for number in range(-WARM_UP, pairs):
        pair = [(random.choice(known), known_times), (new_address(), unknown_times)]
        random.shuffle(pair)
        for email, times in pair:
            status, seconds = sender.send(comparison.path, comparison.body(email))
            if status in (404, 405):
                return None
            if status not in comparison.statuses:
                raise SystemExit(f"{comparison.name}: unexpected status {status}")
            if number >= 0:
                times.append(seconds)
    return PairedTimes(known_times, unknown_times)


def main(pairs: int, names: list[str]) -> int:
    """Run the comparisons and print a line for each. Return the exit status."""
    is_equal = True
    for comparison in COMPARISONS:
        if names and comparison.name not in names:
            continue
        with running_system(gateways=1, **SETTINGS, **comparison.settings) as system:
            sender = Sender(system.url)
            known = [new_address() for _ in range(KNOWN_ACCOUNTS)]
            for email in known:
                status, _ = sender.send("/auth/users/", {"email": email, "password": PASSWORD})
                assert status == 201, status
            times = compare(sender, comparison, known, pairs)
        if times is None:
            sys.stdout.write(f"{comparison.name}: not served\n")
            continue
        sys.stdout.write(f"{comparison.name}: {times.report()}\n")
        sys.stdout.flush()
        is_equal &= abs(times.ratio - 1) <= MAX_DIFFERENCE and times.sign_test >= MIN_PROBABILITY
    return 0 if is_equal else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Compare requests for existing accounts with those for unknown ones."
    )
    parser.add_argument("--pairs", type=int, default=500, help="pairs of each kind of request (500)")
    choices = [comparison.name for comparison in COMPARISONS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(choices)}")
    options = parser.parse_args()
    if unknown_names := set(options.names) - set(choices):
        parser.error(f"unknown: {', '.join(sorted(unknown_names))}")
    raise SystemExit(main(options.pairs, options.names))
