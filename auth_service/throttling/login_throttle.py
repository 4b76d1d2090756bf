"""The log-in throttle: it limits failed log-ins, registrations and requests for mails (ASVS 5.0, 6.3.1).

Successful log-ins do not count. A wrong current password, for example of a user who changes it, counts as a failed
log-in. Three limits apply: one for the account from this address, one for the address, and a higher one for the
account from all addresses. So that an attacker cannot lock the owner out, the last limit does not apply to an address
from which the account has logged in within 30 days, and a device that has logged in to the account before has a limit
of its own instead of all three (device_tokens.py). A session that is logged in counts as such a device.

Requests for mails have the same three limits. Those of one account are counted for each kind of mail, so that no
request for one kind keeps the owner from another. A change of the password counts too, because it causes a mail.

Known and unknown accounts have the same limits and are counted under a keyed hash. An attempt counts as a failure
from its start, so that parallel attempts cannot exceed a limit. It no longer counts once the password was right or an
error interrupted it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from auth_service.accounts.email_addresses import email_key
from auth_service.throttling.attempt_counters import AttemptCounters, Counter
from auth_service.throttling.device_tokens import DeviceTokens
from chassis.client_network import client_network
from chassis.rates import Rate

_TRUST_RATE = Rate(1, 30 * 86_400)
"""The rate of the trust counter: an address is trusted for 30 days after a log-in from it."""

_LOGIN, _REGISTER, _MAIL, _TRUST = "login", "register", "mail", "trust"


class Throttled(Exception):
    """There were too many attempts. The client may retry in `seconds` seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class ThrottleRates:
    """The limits on failed log-ins, registrations and requests for mails."""

    failures: Rate
    """Failures of one account from one address, or from one device that has logged in before."""
    failures_of_account: Rate
    """Failures of one account from all addresses that it does not trust."""
    failures_of_address: Rate
    """Failures of all accounts from one address."""
    registrations_of_account: Rate
    """Requests to register one mailbox."""
    registrations_of_address: Rate
    """Requests to register from one address."""
    mails: Rate
    """Requests for one kind of mail to one account from one address."""
    mails_of_account: Rate
    """Requests for one kind of mail to one account from all addresses that it does not trust."""
    mails_of_address: Rate
    """Requests for a mail to any account from one address."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt: the keyed hash of the account's name, and the client's IPv4 address or IPv6 /64 prefix, or "".

    `device` is the id of a device that has logged in to the account before, or "".
    """

    account: str
    network: str
    device: str = ""


class LoginThrottle:
    """Refuses attempts above the limits. If `rates` is None, it refuses none.

    `pseudonym` returns a keyed hash of an account's name.
    """

    def __init__(
        self,
        counters: AttemptCounters,
        rates: ThrottleRates | None,
        pseudonym: Callable[[str], str],
        device_tokens: DeviceTokens,
    ) -> None:
        self._counters = counters
        self._rates = rates
        self._pseudonym = pseudonym
        self._device_tokens = device_tokens

    def attempt(self, email: str, address: str, *, device_token: str = "", session: str = "") -> Attempt:
        """Return the attempt for the account of `email`, existing or not, from an IP address.

        `device_token` is what the device presents, valid or not. `session` is the `sid` of the account's session from
        which the attempt comes.
        """
        account = self._pseudonym(email_key(email))
        device = f"session/{session}" if session else self._device_tokens.device(device_token, account)
        return Attempt(account, client_network(address), device)

    def renewed_device_token(self, attempt: Attempt, presented: str) -> str:
        """Return the device token for the device of a successful log-in, which presented `presented`."""
        return self._device_tokens.renewed(presented, attempt.account)

    def admit_login(self, attempt: Attempt) -> Sequence[Counter]:
        """Count the attempt as a failed log-in and return the counters that counted it. Raises Throttled.

        For a device that has logged in before, only its own limit applies. Without an IP address, only the limit of
        the account applies.
        """
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is None:
            return ()
        if attempt.device:
            return self._admit(_device_counter(rates, account, attempt.device))
        if not network:
            return self._admit(_account_counter(rates, account))
        return self._admit(
            _account_and_network_counter(rates, account, network),
            _network_counter(rates, network),
            _account_counter(rates, account, waiver=_trust_counter(account, network)),
        )

    def cancel(self, counted_by: Sequence[Counter]) -> None:
        """Decrement the counters of an attempt that an error interrupted."""
        if counted_by:
            self._counters.decrement(counted_by)

    def record_success(self, attempt: Attempt) -> None:
        """Delete the account's failures from this address and in total, and trust the address.

        Failures of other accounts from this address still count. For a device that has logged in before, delete its
        own failures only.
        """
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is None:
            return
        if attempt.device:
            trust = [_trust_counter(account, network)] if network else []
            self._counters.update(reset=[_device_counter(rates, account, attempt.device)], set_to_one=trust)
            return
        if not network:
            self._counters.update(reset=[_account_counter(rates, account)])
            return
        self._counters.update(
            reset=[_account_counter(rates, account), _account_and_network_counter(rates, account, network)],
            decremented=[_network_counter(rates, network)],
            set_to_one=[_trust_counter(account, network)],
        )

    def trust_address(self, attempt: Attempt) -> None:
        """Trust the address of a user who used a link in a mail to the account, and delete its failures from there.

        So the owner can reset the password and log in with a new device at a new address while others guess.
        """
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is not None and network:
            self._counters.update(
                reset=[_account_and_network_counter(rates, account, network)],
                set_to_one=[_trust_counter(account, network)],
            )

    def admit_registration(self, attempt: Attempt) -> None:
        """Count a request to register, whether the registration succeeds or not. Raises Throttled."""
        if self._rates is None:
            return
        counters = [Counter(self._rates.registrations_of_account, (_REGISTER, attempt.account))]
        if attempt.network:
            counters.append(Counter(self._rates.registrations_of_address, (_REGISTER, attempt.network)))
        self._admit(*counters)

    def admit_mail_request(self, kind: str, attempt: Attempt) -> None:
        """Count a request for a mail of this kind to the account, existing or not. Raises Throttled.

        Without an IP address, only the limit of the account applies.
        """
        rates, account, network = self._rates, attempt.account, attempt.network
        if rates is None:
            return
        trust = _trust_counter(account, network) if network else None
        counters = [Counter(rates.mails_of_account, (_MAIL, kind, account), trust)]
        if network:
            counters.append(Counter(rates.mails, (_MAIL, kind, account, network)))
            counters.append(Counter(rates.mails_of_address, (_MAIL, network)))
        self._admit(*counters)

    def _admit(self, *counters: Counter) -> Sequence[Counter]:
        admission = self._counters.admit(*counters)
        if admission.wait_seconds:
            raise Throttled(admission.wait_seconds)
        return admission.counted_by


def _account_and_network_counter(rates: ThrottleRates, account: str, network: str) -> Counter:
    return Counter(rates.failures, (_LOGIN, account, network))


def _device_counter(rates: ThrottleRates, account: str, device: str) -> Counter:
    return Counter(rates.failures, (_LOGIN, account, "device", device))


def _network_counter(rates: ThrottleRates, network: str) -> Counter:
    return Counter(rates.failures_of_address, (_LOGIN, network))


def _account_counter(rates: ThrottleRates, account: str, waiver: Counter | None = None) -> Counter:
    return Counter(rates.failures_of_account, (_LOGIN, account), waiver)


def _trust_counter(account: str, network: str) -> Counter:
    return Counter(_TRUST_RATE, (_TRUST, account, network))
