"""The claims hook: a function of the operator that adds claims to access tokens.

Failure policy: closed. If the function raises, takes too long, or returns something else than claims, no token is
issued and the request is answered 503. A token without the claims that services decide by would be a wrong one. The
function is called before anything is written, so the same request succeeds later: no session is opened or rotated.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from inspect import iscoroutinefunction, signature
from typing import Any, Literal

import structlog

from auth_service.events.client import Client
from contract.claims import MAX_EXTRA_CLAIMS, RESERVED_CLAIMS

Occasion = Literal["log_in", "refresh", "token_exchange"]
"""Why a token is issued. `refresh` is also a new access token of a browser session."""
Function = Callable[["ClaimsRequest"], Mapping[str, Any]]
"""A claims hook. It is called in a thread of its own, without a Flask context, and several times at once."""

MAX_RUNNING = 32
"""Calls that run at once in a process. While so many do not return, further ones fail at once."""

_NAME = re.compile(r"[A-Za-z0-9_:/.-]{1,100}")
_SETTING = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)", re.ASCII)
_MAX_REASON = 300

_log = structlog.get_logger("claims_hook")


class ClaimsUnavailable(Exception):
    """The claims could not be determined, so no token is issued. A retry may succeed."""


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """The user and the session of an access token that is about to be issued.

    `address` and `device` (the User-Agent) are of the client; "" means unknown, as for a browser session after its
    log-in.
    """

    user_id: str
    email: str
    roles: tuple[str, ...]
    session_id: str
    occasion: Occasion
    address: str
    device: str


class ClaimsHook:
    """Calls the function for each token. `timeout` is in seconds. `count` is called with whether a call succeeded."""

    def __init__(self, function: Function, timeout: float, count: Callable[[bool], None] = lambda _: None) -> None:
        self._function = function
        self._timeout = timeout
        self._count = count
        self._places = threading.BoundedSemaphore(MAX_RUNNING)

    def claims_of(
        self, user_id: object, email: str, roles: str, sid: str, occasion: Occasion, client: Client
    ) -> Mapping[str, Any]:
        """Return the claims to add to a token. Raises ClaimsUnavailable."""
        request = ClaimsRequest(
            str(user_id), email, tuple(roles.split()), sid, occasion, client.address, client.device
        )
        try:
            claims = self._call(request)
        except Exception as error:
            self._count(False)
            reason = f"{type(error).__name__}: {error}"[:_MAX_REASON].rstrip(": ")
            _log.error("claims_hook_failed", subject=request.user_id, sid=sid, occasion=occasion, error=reason)
            raise ClaimsUnavailable from error
        self._count(True)
        return claims

    def _call(self, request: ClaimsRequest) -> Mapping[str, Any]:
        if not self._places.acquire(blocking=False):
            raise RuntimeError(f"{MAX_RUNNING} calls have not returned yet")
        outcome: Future[Mapping[str, Any]] = Future()

        def run() -> None:
            try:
                outcome.set_result(checked_claims(self._function(request)))
            except Exception as error:  # noqa: BLE001 - the waiting thread raises it
                outcome.set_exception(error)
            except BaseException as error:  # noqa: BLE001 - raised there, SystemExit would end the process
                outcome.set_exception(RuntimeError(f"it raised {error!r}"))
            finally:
                self._places.release()

        try:
            # Not a pool: its threads would keep a process from ending while a function hangs.
            threading.Thread(target=run, name="claims-hook", daemon=True).start()
        except RuntimeError:  # the process cannot have more threads
            self._places.release()
            raise
        try:
            return outcome.result(self._timeout)
        except TimeoutError:
            if outcome.done():
                raise
            raise TimeoutError(f"it did not return within {self._timeout:g} seconds") from None


def load_claims_hook(setting: str) -> Function:
    """Import the function `module:function` of a setting. Raises ValueError, whose text says what is wrong."""
    found = _SETTING.fullmatch(setting)
    if not found:
        raise ValueError("must be module:function, such as my_package.claims:claims_for")
    module_name, names = found[1], found[2]
    try:
        value: Any = import_module(module_name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"names the module {module_name}, which cannot be imported: {reason}") from error
    for name in names.split("."):
        if not hasattr(value, name):
            raise ValueError(f"names {names}, which is not in the module {module_name}")
        value = getattr(value, name)
    if not callable(value):
        raise ValueError(f"names {names}, which is not a function but of the type {type(value).__name__}")
    if iscoroutinefunction(value) or iscoroutinefunction(value.__call__):
        raise ValueError(f"names {names}, which is async; it must be a plain function")
    try:
        signature(value).bind(object())
    except TypeError as error:
        raise ValueError(f"names {names}, which must take one argument, the ClaimsRequest: {error}") from error
    function: Function = value
    return function


def checked_claims(returned: object) -> Mapping[str, Any]:
    """Return a copy of what a hook has returned. Raises ValueError or TypeError unless it is claims."""
    if not isinstance(returned, Mapping):
        raise TypeError(f"it must return a mapping of claims, not {type(returned).__name__}")
    for name in returned:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a usable name of a claim")
        if name in RESERVED_CLAIMS:
            raise ValueError(f"the claim {name!r} is reserved")
    try:
        text = json.dumps(dict(returned), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the claims are not JSON: {error}") from error
    if len(text) > MAX_EXTRA_CLAIMS:
        raise ValueError(f"the claims have {len(text)} bytes of JSON; at most {MAX_EXTRA_CLAIMS} are allowed")
    claims: Mapping[str, Any] = json.loads(text)
    return claims
