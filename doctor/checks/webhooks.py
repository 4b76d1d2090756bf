"""Webhooks that are not delivered, or that others can read or forge; claims that no service receives."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from doctor.finding import Problem, error, warning
from doctor.probes.ports import is_loopback

if TYPE_CHECKING:
    from doctor.probes.database import WebhookFacts
    from doctor.probes.webhooks import EndpointConnection, WebhookEndpointFacts

LATE_SECONDS, OVERDUE_SECONDS = 3_600.0, 86_400.0
"""Ages of the oldest message that waits. The alert SallyportWebhooksWaiting has the first one, too."""
MANY_FAILED = 10
"""Messages that were given up within a day, from which on it is an error."""
_FEWEST_BYTES = 12
"""24 random bytes have so many different ones, but for one secret in 10^12."""
_EXAMPLE = base64.b64decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=")
"""The secret in docs/webhooks.md."""
_CURE = "Replace it: `webhooks new-secret` prints one (docs/webhooks.md#replace-a-secret)."


def unencrypted(endpoints: "Iterable[WebhookEndpointFacts]", is_production: bool) -> Iterator[Problem]:
    """Return the endpoints to which messages are sent unencrypted over a network."""
    for each in endpoints:
        if is_production and not each.is_encrypted and not is_loopback(each.host):
            yield error(
                f"endpoints.{each.name} has an http:// URL in production: everybody on the way can read the e-mail "
                "addresses in its messages.",
                "Use an https:// URL.",
            )


def secrets(endpoints: "Sequence[WebhookEndpointFacts]") -> Iterator[Problem]:
    """Return the secrets that can be guessed, or that two endpoints have."""
    owners: dict[bytes, str] = {}
    for each in endpoints:
        for key in each.keys:
            if reason := _weakness(key):
                yield error(f"A secret of endpoints.{each.name} {reason}: messages can be forged.", _CURE)
            owner = owners.setdefault(key, each.name)
            if owner != each.name:
                yield warning(
                    f"endpoints.{owner} and endpoints.{each.name} have the same secret: each of these receivers can "
                    "send forged messages to the other.",
                    _CURE,
                )


def _weakness(key: bytes) -> str:
    if key == _EXAMPLE:
        return "is the example of the documentation"
    if len(set(key)) < _FEWEST_BYTES:
        return "repeats few bytes"
    return "is text instead of random bytes" if key.isascii() and key.decode("ascii").isprintable() else ""


def connections(found: "Iterable[EndpointConnection]") -> Iterator[Problem]:
    """Return the endpoints to which no connection can be made."""
    for each in found:
        if each.refused:
            yield error(
                f"Nothing is ever sent to endpoints.{each.endpoint}: {each.refused}.",
                "Correct its URL, or the receiver (docs/webhooks.md#where-messages-may-go).",
            )
        elif each.failed:
            yield warning(
                f"endpoints.{each.endpoint} cannot be reached: {each.failed}.",
                "Start the receiver; messages are tried again for three days (docs/webhooks.md).",
            )


def backlog(webhooks: "WebhookFacts | None") -> Iterator[Problem]:
    """Return whether messages wait for too long or were given up, or an endpoint is disabled."""
    if webhooks is None:
        return
    for name in webhooks.disabled:
        yield error(
            f"endpoints.{name} is disabled, because it answered 410 or failed for five days: its messages wait.",
            f"Correct the receiver, then `webhooks enable {name}` (docs/runbooks/webhook-endpoint-disabled.md).",
        )
    if webhooks.waiting and webhooks.oldest_seconds > LATE_SECONDS:
        hours = webhooks.oldest_seconds / 3_600
        cause = f"{webhooks.waiting} webhooks wait, the oldest for {hours:.0f} hours."
        remedy = "`webhook_delayed` in the log has the reason (docs/runbooks/webhooks-waiting.md)."
        yield error(cause, remedy) if webhooks.oldest_seconds > OVERDUE_SECONDS else warning(cause, remedy)
    if webhooks.failed:
        cause = f"{webhooks.failed} webhooks were given up in the last day."
        remedy = "Correct the receiver, then `webhooks replay --since ...` (docs/webhooks.md)."
        yield error(cause, remedy) if webhooks.failed >= MANY_FAILED else warning(cause, remedy)


def claims(forwarded: Sequence[str], *, has_hook: bool) -> Iterator[Problem]:
    """Return whether the gateway is to forward claims that no hook adds."""
    if forwarded and not has_hook:
        yield warning(
            f"IDENTITY_CLAIMS of the gateway has {', '.join(forwarded)}, and the auth service has no CLAIMS_HOOK: "
            "services never receive these claims.",
            "Set CLAIMS_HOOK, or empty IDENTITY_CLAIMS (docs/claims-hook.md).",
        )
