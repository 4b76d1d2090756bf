"""The cookies of a browser session: the one with its handle, and the one that remembers the device."""

from dataclasses import dataclass

from flask import Response

from contract.credentials import split_cookies
from contract.device_cookie import DEVICE_COOKIE, DEVICE_COOKIE_LIFETIME
from gateway.http.response_headers import INSECURE_SESSION_COOKIE, SESSION_COOKIE
from gateway.pipeline.credentials import session_handle


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The cookie's name and attributes. `secure` is False only for plain http, where browsers drop Secure cookies."""

    secure: bool

    @property
    def name(self) -> str:
        """Return the cookie's name. The prefix `__Host-` requires TLS, and no other host of the domain can set it."""
        return SESSION_COOKIE if self.secure else INSECURE_SESSION_COOKIE

    def handle_in(self, cookies: str) -> str | None:
        """Return the handle in the Cookie value `cookies`; None if there is none.

        Raises Refused(400) if there is more than one session cookie, and InvalidHandle if its value is no handle.
        """
        values, _ = split_cookies([cookies.encode("latin-1")], self.name.encode("ascii"))
        return session_handle(values)

    @property
    def clearing(self) -> str:
        """Return the Set-Cookie value that deletes the cookie."""
        response = Response()
        self.clear_on(response)
        return response.headers["Set-Cookie"]

    def setting(self, handle: str, max_age: int) -> str:
        """Return the Set-Cookie value that sets the cookie to `handle` for `max_age` seconds."""
        response = Response()
        self.set_on(response, handle, max_age)
        return response.headers["Set-Cookie"]

    def set_on(self, response: Response, handle: str, max_age: int) -> None:
        """Set the cookie to `handle` for `max_age` seconds."""
        response.set_cookie(
            self.name, handle, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite="Strict"
        )

    def set_device_token_on(self, response: Response, token: str, path: str) -> None:
        """Set the device cookie for the path of the log-in. A log-out does not delete it."""
        response.set_cookie(
            DEVICE_COOKIE,
            token,
            max_age=DEVICE_COOKIE_LIFETIME,
            path=path,
            secure=self.secure,
            httponly=True,
            samesite="Strict",
        )

    def clear_on(self, response: Response) -> None:
        """Delete the cookie."""
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="Strict")
