"""Compare a response with the recorded one.

The status, the body and a recorded Allow are compared. Bodies must be JSON; WWW-Authenticate must be in every 401 and
in no other response. DEVIATIONS lists the deliberate differences.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.auth_service.djoser.recordings import Recording, Row


@dataclass(frozen=True)
class Deviation:
    """A deliberate difference to djoser: what djoser does, and our response. A body of None is not compared."""

    of_djoser: str
    status: int
    body: Any = None


DUPLICATE = {"email": ["user with this email already exists."]}
_ONE_EMAIL = "`MyUser@x` gets an account beside `myuser@x`; for a domain in another case the error is a bare list"
_NO_REDIRECT = "a path without its closing slash is answered 301"
_NO_500 = "a refresh for a deleted user, or with a token without jti, is answered 500"

_ENDED = "verify answers 200 for an access token whose session has ended"
DEVIATIONS: Mapping[str, Deviation] = {
    "register duplicate, local part in other case": Deviation(_ONE_EMAIL, 400, DUPLICATE),
    "register duplicate, domain in other case": Deviation(_ONE_EMAIL, 400, DUPLICATE),
    "register names too long": Deviation("a name has at most 30 characters", 201),
    "register without trailing slash": Deviation(_NO_REDIRECT, 201),
    "register with bad Bearer header": Deviation(
        "a registration with a stale `Authorization` header is answered 401", 201
    ),
    "create email other case": Deviation(_ONE_EMAIL, 200, {"refresh": "<jwt>", "access": "<jwt>"}),
    "create junk suffix (regex has no $)": Deviation("`/auth/jwt/createXYZ` logs in", 404, {"detail": "Not found."}),
    "me lower-case bearer": Deviation("`bearer` in lower case is refused", 200),
    "me without slash": Deviation(_NO_REDIRECT, 200),
    "refresh unknown user": Deviation(
        _NO_500, 401, {"detail": "No active account found for the given token.", "code": "token_not_valid"}
    ),
    "refresh no jti": Deviation(_NO_500, 401, {"detail": "Token has no id", "code": "token_not_valid"}),
    "access still valid after blacklist": Deviation(
        "the access token stays valid after its refresh token was blacklisted (logout)", 401
    ),
    "deleted: refresh": Deviation(
        _NO_500, 401, {"detail": "No active account found for the given token.", "code": "token_not_valid"}
    ),
    "inactive: verify": Deviation(_ENDED, 401, {"detail": "Token is blacklisted", "code": "token_not_valid"}),
    "deleted: verify": Deviation(_ENDED, 401, {"detail": "Token is blacklisted", "code": "token_not_valid"}),
    "404 path": Deviation("a 404 is an HTML page", 404, {"detail": "Not found."}),
}

_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def compare(recording: Recording, row: Row, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Return the differences between a response and the recording."""
    deviation = None if row.case in recording.as_recorded else DEVIATIONS.get(row.case)
    found = []
    expected_status = recording.statuses.get(row.case, deviation.status if deviation else row.status)
    if status != expected_status:
        found.append(f"status {status} instead of {expected_status}: {body[:200]!r}")
    expected_body = deviation.body if deviation else _parse(row.resp)
    given_body = _parse(_UUID.sub("<uuid>", _JWT.sub("<jwt>", body.decode())))
    if not recording.has_names and status in (200, 201):
        given_body = _without_names(given_body)
    if expected_body is not None and given_body != expected_body:
        found.append(f"body {given_body!r} instead of {expected_body!r}")
    return found + _compare_headers(row, expected_status, {name.lower(): value for name, value in headers.items()})


def _compare_headers(row: Row, status: int, headers: Mapping[str, str]) -> list[str]:
    expected = {name.lower(): value for name, value in row.headers.items() if row.case not in DEVIATIONS}
    found = []
    if expected.get("allow", headers.get("allow")) != headers.get("allow"):
        found.append(f"Allow {headers.get('allow')!r} instead of {expected['allow']!r}")
    if status != 204 and not headers.get("content-type", "").startswith("application/json"):
        found.append(f"Content-Type {headers.get('content-type')!r}")
    if (status == 401) != headers.get("www-authenticate", "").startswith('Bearer realm="api"'):
        found.append(f"WWW-Authenticate {headers.get('www-authenticate')!r}")
    return found


def _without_names(body: Any) -> Any:
    """Return a user, or a page of users, without the names, which every user must have."""
    if "results" in body:
        return body | {"results": [_without_names(user) for user in body["results"]]}
    if "email" in body:
        assert {"first_name", "last_name"} <= body.keys()
        return {name: value for name, value in body.items() if name not in ("first_name", "last_name")}
    return body


def _parse(text: str) -> Any:
    if not text:
        return ""
    try:
        return json.loads(text)
    except ValueError:
        return text
