"""Decides how often passwords may be tried and accounts be made, by account and by address (ASVS 2.2.1).

Failures count, successes do not, and a refresh is never asked about. Whoever fails is held back by address first:
somebody who hammers an account from one place fills a bucket of that place, and its owner still logs in from
elsewhere. Against many places at once there is a larger bucket for the account; from where the owner has logged in
before, it does not count, so that nobody can lock an owner out. A third one, for the address alone, is against one
password tried on many accounts.

Known and unknown accounts are treated alike, and known by a keyed hash. A try counts as a failure from the moment it
is let in, so that many at once are no way around; one that was right, or not judged at all, is taken back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auth_service.accounts.email_addresses import email_key
from auth_service.throttling.attempt_counters import AttemptCounters, Counter
from chassis.client_network import client_network
from chassis.rates import Rate

_TRUSTED = Rate(1, 30 * 86_400)
"""For so long an address is trusted by an account that has logged in from there."""

_LOGIN, _REGISTER, _TRUST = "login", "register", "trust"


class Throttled(Exception):
    """Too many tries. `seconds` until the next may be made."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class ThrottleRates:
    """How many failed log-ins, and how many registrations, there may be."""

    failures: Rate
    """Of one account from one address."""
    failures_of_account: Rate
    failures_of_address: Rate
    registrations_of_account: Rate
    registrations_of_address: Rate


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries: an account's keyed hash, and from where; "" where that is not known."""

    account: str
    network: str


class Throttle:
    """Holds back. Without `rates` it holds nobody back."""

    def __init__(self, tries: AttemptCounters, rates: ThrottleRates | None, pseudonym: Callable[[str], str]) -> None:
        self._attempt_counters = tries
        self._rates = rates
        self._pseudonym = pseudonym

    def attempt(self, email: str, address: str) -> Attempt:
        """A try for the account of `email`, whether there is one or not, from `address`."""
        return Attempt(self._pseudonym(email_key(email)), client_network(address))

    def admit_login(self, attempt: Attempt) -> Sequence[Counter]:
        """Counts a failure, until it is known to be none; what counts it. Raises Throttled."""
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is None:
            return ()
        if not network:
            return self._admit(_of_account(rates, account))
        return self._admit(
            _of_both(rates, account, network),
            _of_address(rates, network),
            _of_account(rates, account, waiver=_trust(account, network)),
        )

    def take_back(self, counted: Sequence[Counter]) -> None:
        """The password was not judged: something else failed."""
        if counted:
            self._attempt_counters.take_back(counted)

    def note_success(self, attempt: Attempt) -> None:
        """The password was right: forgets what the account has failed. Of its address others may have failed, too."""
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is None:
            return
        if not network:
            self._attempt_counters.settle(forgotten=[_of_account(rates, account)])
            return
        self._attempt_counters.settle(
            forgotten=[_of_account(rates, account), _of_both(rates, account, network)],
            one_less=[_of_address(rates, network)],
            kept=[_trust(account, network)],
        )

    def admit_registration(self, attempt: Attempt) -> None:
        """Counts a registration, whatever becomes of it. Raises Throttled."""
        if self._rates is None:
            return
        counters = [Counter(self._rates.registrations_of_account, (_REGISTER, attempt.account))]
        if attempt.network:
            counters.append(Counter(self._rates.registrations_of_address, (_REGISTER, attempt.network)))
        self._admit(*counters)

    def _admit(self, *counters: Counter) -> Sequence[Counter]:
        admission = self._attempt_counters.admit(*counters)
        if admission.wait:
            raise Throttled(admission.wait)
        return admission.counted


def _of_both(rates: ThrottleRates, account: str, network: str) -> Counter:
    return Counter(rates.failures, (_LOGIN, account, network))


def _of_address(rates: ThrottleRates, network: str) -> Counter:
    return Counter(rates.failures_of_address, (_LOGIN, network))


def _of_account(rates: ThrottleRates, account: str, waiver: Counter | None = None) -> Counter:
    return Counter(rates.failures_of_account, (_LOGIN, account), waiver)


def _trust(account: str, network: str) -> Counter:
    return Counter(_TRUSTED, (_TRUST, account, network))
