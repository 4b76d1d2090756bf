"""The log-in throttle: how often passwords may fail and accounts be registered, per account and address (ASVS 2.2.1).

Failures count; successes and refreshes do not. Three counters apply to a log-in: one for the account from this
address, one for the address, and a larger one for the account from all addresses. The last one does not apply to an
address from which the account has logged in before, so that nobody can lock its owner out.

Known and unknown accounts are treated alike and counted under a keyed hash. An attempt counts as a failure from its
start, so that parallel attempts gain nothing. It is taken off again if the password was right or was not verified.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auth_service.accounts.email_addresses import email_key
from auth_service.throttling.attempt_counters import AttemptCounters, Counter
from chassis.client_network import client_network
from chassis.rates import Rate

_TRUSTED = Rate(1, 30 * 86_400)
"""How long an account trusts an address from which it has logged in."""

_LOGIN, _REGISTER, _TRUST = "login", "register", "trust"


class Throttled(Exception):
    """There were too many attempts. The next one may be made in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class ThrottleRates:
    """The limits of failed log-ins and of registrations."""

    failures: Rate
    """Failures of one account from one address."""
    failures_of_account: Rate
    failures_of_address: Rate
    registrations_of_account: Rate
    registrations_of_address: Rate


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt: the account's keyed hash and the client's network, "" if it is unknown."""

    account: str
    network: str


class LoginThrottle:
    """Refuses attempts beyond the limits; with `rates` None it refuses none."""

    def __init__(
        self, counters: AttemptCounters, rates: ThrottleRates | None, pseudonym: Callable[[str], str]
    ) -> None:
        self._counters = counters
        self._rates = rates
        self._pseudonym = pseudonym

    def attempt(self, email: str, address: str) -> Attempt:
        """Return the attempt for the account of `email`, existing or not, from an IP address."""
        return Attempt(self._pseudonym(email_key(email)), client_network(address))

    def admit_login(self, attempt: Attempt) -> Sequence[Counter]:
        """Count a failed log-in and return the counters that count it. Raises Throttled."""
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is None:
            return ()
        if not network:
            return self._admit(_of_account(rates, account))
        return self._admit(
            _of_account_and_network(rates, account, network),
            _of_network(rates, network),
            _of_account(rates, account, waiver=_trust(account, network)),
        )

    def cancel(self, counted: Sequence[Counter]) -> None:
        """Take an attempt off the counters that count it: its password was not verified."""
        if counted:
            self._counters.decrement(counted)

    def record_success(self, attempt: Attempt) -> None:
        """Forget the account's failures and trust its address. The failures of others from the address stay."""
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is None:
            return
        if not network:
            self._counters.settle(reset=[_of_account(rates, account)])
            return
        self._counters.settle(
            reset=[_of_account(rates, account), _of_account_and_network(rates, account, network)],
            decremented=[_of_network(rates, network)],
            set_to_one=[_trust(account, network)],
        )

    def admit_registration(self, attempt: Attempt) -> None:
        """Count a registration, successful or not. Raises Throttled."""
        if self._rates is None:
            return
        counters = [Counter(self._rates.registrations_of_account, (_REGISTER, attempt.account))]
        if attempt.network:
            counters.append(Counter(self._rates.registrations_of_address, (_REGISTER, attempt.network)))
        self._admit(*counters)

    def _admit(self, *counters: Counter) -> Sequence[Counter]:
        admission = self._counters.admit(*counters)
        if admission.wait_seconds:
            raise Throttled(admission.wait_seconds)
        return admission.counted


def _of_account_and_network(rates: ThrottleRates, account: str, network: str) -> Counter:
    return Counter(rates.failures, (_LOGIN, account, network))


def _of_network(rates: ThrottleRates, network: str) -> Counter:
    return Counter(rates.failures_of_address, (_LOGIN, network))


def _of_account(rates: ThrottleRates, account: str, waiver: Counter | None = None) -> Counter:
    return Counter(rates.failures_of_account, (_LOGIN, account), waiver)


def _trust(account: str, network: str) -> Counter:
    return Counter(_TRUSTED, (_TRUST, account, network))
