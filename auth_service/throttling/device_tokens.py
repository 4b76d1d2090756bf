"""Device tokens: proof that a device has logged in to an account, for the log-in throttle (OWASP: device cookies).

A device gets a token at each log-in and presents it at the next one. It opens nothing: a log-in with it is counted by
itself, so that failures of other devices do not keep its owner out. It is valid for one account and 180 days.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Sequence

from chassis.clock import Clock
from contract.device_cookie import DEVICE_COOKIE_LIFETIME

_MAX_TOKENS = 5
"""Accounts that one device is remembered for: the last ones."""
_SEPARATOR = "~"
_TOKEN = re.compile(r"(?P<issued>[0-9a-f]{1,12})\.(?P<device>[A-Za-z0-9_-]{22})\.(?P<mac>[A-Za-z0-9_-]{22})")
_LABEL = b"device tokens"
"""Makes the key of the MAC different from other keys that are derived from the same secret."""


class DeviceTokens:
    """Issues and verifies the device tokens of accounts. An account is given by its pseudonym.

    The key of new tokens is derived from the first of the `secrets`; tokens of the others are accepted.
    """

    def __init__(self, secrets: Callable[[], Sequence[str]], clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    def device(self, presented: str, account: str) -> str:
        """Return the random id of the device if one of the presented tokens is valid for `account`, else ""."""
        return next(self._devices(presented, account), "")

    def renewed(self, presented: str, account: str) -> str:
        """Return what the device is to present from now on: a new token of `account`, and its tokens of others."""
        others = [
            token
            for token in presented.split(_SEPARATOR)[:_MAX_TOKENS]
            if _TOKEN.fullmatch(token) and not self.device(token, account)
        ]
        return _SEPARATOR.join([self._issue(account), *others][:_MAX_TOKENS])

    def _devices(self, presented: str, account: str) -> Iterator[str]:
        now = self._clock()
        for token in presented.split(_SEPARATOR)[:_MAX_TOKENS]:
            parts = _TOKEN.fullmatch(token)
            if parts is None:
                continue
            issued, device, mac = parts["issued"], parts["device"], parts["mac"]
            macs = [_mac(secret, account, issued, device) for secret in self._secrets()]
            is_ours = any(hmac.compare_digest(mac, expected) for expected in macs)
            if is_ours and now < int(issued, 16) + DEVICE_COOKIE_LIFETIME:
                yield device

    def _issue(self, account: str) -> str:
        issued, device = f"{int(self._clock()):x}", secrets.token_urlsafe(16)
        return f"{issued}.{device}.{_mac(self._secrets()[0], account, issued, device)}"


def _mac(secret: str, account: str, issued: str, device: str) -> str:
    key = hmac.digest(secret.encode(), _LABEL, "sha256")
    digest = hmac.digest(key, f"{account} {issued} {device}".encode(), "sha256")[:16]
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
