"""The cookie with which a device shows at a log-in that it has logged in before. It opens nothing.

The auth service issues its value, the device token, and sets the cookie for its own log-in. The gateway sets it for
the log-in of browser sessions.
"""

from contract.credentials import split_cookies

DEVICE_COOKIE = "sallyport-device"
DEVICE_COOKIE_LIFETIME = 180 * 86_400
"""Seconds from the last log-in."""
MAX_DEVICE_TOKEN = 500
"""Characters of a device token. A longer one counts as none, so that it does not make a log-in fail."""


def device_token_in(cookies: str) -> str:
    """Return the device token in the Cookie value `cookies`; "" if there is not exactly one that is well-formed."""
    values, _ = split_cookies([cookies.encode("latin-1", "replace")], DEVICE_COOKIE.encode("ascii"))
    if len(values) != 1 or len(values[0]) > MAX_DEVICE_TOKEN or not values[0].isascii():
        return ""
    return values[0].decode("ascii")
