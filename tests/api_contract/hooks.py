"""Hooks of schemathesis: credentials for each request, from accounts in CONTRACT_ACCOUNTS.

An operation that can end the session of its own token gets the token of a new log-in each time. The others share a
token until shortly before it expires. Schemathesis uses ids again that it has seen in responses, so a request of
staff for one of these accounts is changed to one for a user that does not exist: otherwise staff would delete them.
"""

import json
import os
import time
from typing import Any
from uuid import uuid4

import requests
import schemathesis

ENDING = (
    "/auth/logout/",
    "/auth/sessions/",
    "/auth/sessions/{sid}/",
    "/auth/sessions/logout-all/",
    "/auth/sessions/logout-others/",
    "/auth/users/me/",
    "/auth/users/set_password/",
    "/auth/users/set_email/",
    "/session/",
)
LIFETIME = 120
"""Seconds for which a token is used."""

_accounts: dict[str, dict[str, str]] = json.loads(os.environ["CONTRACT_ACCOUNTS"])
_ids = frozenset(os.environ["CONTRACT_IDS"].split())
_shared: dict[str, tuple[str, float]] = {}


def _log_in(name: str) -> str:
    account = _accounts[name]
    response = requests.post(f"{os.environ['CONTRACT_URL']}/auth/jwt/create/", json=account, timeout=30)
    response.raise_for_status()
    return str(response.json()["access"])


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """The access token of an account: staff for the administration and the notes, another one for the rest."""

    def get(self, case: Any, context: Any) -> str:
        path = context.operation.path
        if path in ENDING:
            return _log_in("leaving")
        name = "staff" if path.startswith(("/auth/admin/", "/api/")) else "user"
        token, until = _shared.get(name, ("", 0.0))
        if time.monotonic() > until:
            token = _log_in(name)
            _shared[name] = (token, time.monotonic() + LIFETIME)
        return token

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Protect the accounts from staff."""
    parameters = case.path_parameters or {}
    if case.operation.path.startswith("/auth/admin/") and str(parameters.get("user_id")) in _ids:
        case.path_parameters = {**parameters, "user_id": str(uuid4())}
