"""Send requests to the gateway as a client would."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from chassis.clock import Clock
from doctor.finding import CannotCheck
from doctor.probes.clocks import certain_offset
from doctor.probes.http import Answer, Target, parse_url, send, send_ready

STRANGE_ORIGIN = "https://doctor.invalid"
"""An origin that no deployment allows (RFC 2606: nobody can own it)."""
_COOKIES = "__Host-session=doctor; sallyport-session=doctor"
"""No session: the gateway answers 401 and clears the cookie, which shows the attributes of its cookies."""


@dataclass(frozen=True, slots=True)
class GatewayAnswers:
    """What the gateway answers: whether it is ready, its clock, and what a browser sees.

    `allowed_origin` is Access-Control-Allow-Origin for STRANGE_ORIGIN; `development` whether /development/ is served.
    """

    address: str
    ready_status: int
    clock_offset: float | None
    cookies: tuple[str, ...]
    allowed_origin: str | None
    development: bool


def gateway_target(url: str) -> Target:
    """Return the target of the gateway's URL. Raises CannotCheck."""
    return parse_url(url.rstrip("/"))


def probe_gateway(target: Target, clock: Clock) -> GatewayAnswers:
    """Return what the gateway answers. Raises CannotCheck if it does not answer."""
    ready = send_ready(target, clock)
    session = send(target, "GET", "/session/", {"Cookie": _COOKIES})
    preflight = send(
        target, "OPTIONS", "/session/", {"Origin": STRANGE_ORIGIN, "Access-Control-Request-Method": "GET"}
    )
    development = send(target, "GET", "/development/")
    return GatewayAnswers(
        target.name,
        ready.status,
        clock_offset(ready),
        session.all("Set-Cookie"),
        preflight.header("Access-Control-Allow-Origin"),
        development.status == 200,
    )


def clock_offset(answer: Answer) -> float | None:
    """Return the seconds by which the server's clock is ahead of this machine's, from Date; None without Date.

    Date has whole seconds (RFC 9110 5.6.7), and servers update it once a second.
    """
    text = answer.header("Date")
    if text is None:
        return None
    try:
        remote = parsedate_to_datetime(text).timestamp()
    except ValueError as error:
        raise CannotCheck(f"the Date {text!r} is not a date") from error
    return certain_offset(remote, answer.started - 1, answer.ended)
