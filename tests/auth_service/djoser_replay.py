"""Replay the recorded requests of a client to djoser, and compare the responses: this API is compatible with djoser.

Each recorded request (a row) is sent with current tokens and ids in place of its placeholders. The status, the body
and a recorded Allow are compared. Bodies must be JSON; WWW-Authenticate must be in every 401 and in no other
response. DEVIATIONS and NOT_REPLAYED list the exceptions with reasons.
The replay needs a function that sends requests, and a World, so it can run against the service and the gateway.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from tests.auth_service.forge import Forge

RECORDING = Path(__file__).parent.parent / "contract" / "data" / "djoser_answers.json"

EMAIL, PASSWORD = "myuser@gmail.com", "Tr0ub4dor&3x"
CHANGED_PASSWORD, RESET_PASSWORD = "N3wPassw0rd!!", "An0therOne!!"
OTHER_EMAIL = "form@b.co"

Answer = tuple[int, Mapping[str, str], bytes]
Send = Callable[[str, str, Mapping[str, str], bytes], Answer]
"""(method, url with path only, headers, body) -> (status, headers, body). Redirects are not followed."""


class World(Protocol):
    """The service under test, besides its requests: its keys, its clock and an operator."""

    forge: Forge

    def now(self) -> float:
        """Return the time of the service, in seconds since the epoch."""

    def deactivate(self, email: str) -> None:
        """Deactivate a user."""

    def activate(self, email: str) -> None:
        """Activate a user."""


@dataclass(frozen=True)
class Row:
    """One recorded request with its response."""

    case: str
    method: str
    url: str
    auth: str | None
    body: str
    status: int
    resp: str
    headers: Mapping[str, str]


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

_MAIL = "needs mail, which this service does not send yet"
_NEW_ADDRESS = "changes the e-mail address, which needs mail: a new address must be confirmed"
NOT_REPLAYED: Mapping[str, str] = {
    "set_email ok": _NEW_ADDRESS,
    "set_email duplicate": _NEW_ADDRESS,
    "set_email wrong password": _NEW_ADDRESS,
    "set_email missing": _NEW_ADDRESS,
    "reset_password ok": _MAIL,
    "reset_password unknown email": _MAIL,
    "reset_password missing": _MAIL,
    "reset_password invalid": _MAIL,
    "reset_confirm bad uid": _MAIL,
    "reset_confirm bad token": _MAIL,
    "reset_confirm weak": _MAIL,
    "reset_confirm missing": _MAIL,
    "reset_confirm ok": _MAIL,
    "reset_confirm used token": _MAIL,
    "resend_activation (SEND_ACTIVATION_EMAIL off)": _MAIL,
    "activation missing": _MAIL,
    "activation bad uid": _MAIL,
    "activation of active user": _MAIL,
    "reset_email ok": _MAIL,
    "reset_email_confirm ok": _MAIL,
}


def recorded_rows() -> list[Row]:
    """Return the recorded rows in their order."""
    return [Row(**row) for row in json.loads(RECORDING.read_text(encoding="utf-8"))]


@dataclass
class Replay:
    """The client of the replay. It keeps the tokens and ids that later rows need."""

    send: Send
    world: World
    access: str = ""
    refresh: str = ""
    used_refresh: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    def send_row(self, row: Row) -> list[str]:
        """Send the row. Return the differences between the response and the recording."""
        for step in STEPS_BEFORE.get(row.case, ()):
            step(self)
        status, headers, body = self.send(row.method, self._url(row), self._headers(row), self._body(row).encode())
        self._remember(row, status, body)
        return [f"{row.case}: {difference}" for difference in _compare(row, status, headers, body)]

    def log_in(self) -> None:
        """Log in and keep the tokens."""
        pair = self._post("/auth/jwt/create/", {"email": EMAIL, "password": self._password})
        self.access, self.refresh = pair["access"], pair["refresh"]

    def deactivate(self) -> None:
        """Deactivate the user as an operator."""
        self.world.deactivate(EMAIL)

    def activate(self) -> None:
        """Activate the user as an operator."""
        self.world.activate(EMAIL)

    def reset_password(self) -> None:
        """Change the password in place of the rows with mail, which are not replayed."""
        status, _, _ = self.send(
            "POST",
            "/auth/users/set_password/",
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.access}"},
            json.dumps({"new_password": RESET_PASSWORD, "current_password": CHANGED_PASSWORD}).encode(),
        )
        assert status == 204
        self._password = RESET_PASSWORD

    def expired(self, token: str) -> str:
        """Return `token` with times in the past."""
        now = int(self.world.now())
        return self.world.forge.alter(token, iat=now - 7200, exp=now - 3600)

    _password: str = PASSWORD

    def _post(self, url: str, members: Mapping[str, str]) -> dict[str, str]:
        status, _, body = self.send("POST", url, {"Content-Type": "application/json"}, json.dumps(members).encode())
        assert status == 200, f"{url}: {status}"
        return dict(json.loads(body))

    def _url(self, row: Row) -> str:
        email = IDS.get(row.case, EMAIL)
        return row.url.replace("<uuid>", self.ids.get(email, email))

    def _headers(self, row: Row) -> dict[str, str]:
        headers = {}
        if row.body:
            headers["Content-Type"] = _content_type(row.body)
        if row.auth is not None:
            headers["Authorization"] = row.auth.replace("<jwt>", self._token(row))
        return headers

    def _body(self, row: Row) -> str:
        return row.body.replace("<jwt>", self._token(row)) if "<jwt>" in row.body else row.body

    def _token(self, row: Row) -> str:
        default = _refresh if '"refresh"' in row.body else _access
        return TOKENS.get(row.case, default)(self)

    def _remember(self, row: Row, status: int, body: bytes) -> None:
        if status == 201:
            user = json.loads(body)
            self.ids[user["email"]] = user["id"]
        if row.case == "create ok":
            pair = json.loads(body)
            self.access, self.refresh = pair["access"], pair["refresh"]
        if row.case == "refresh ok":
            pair = json.loads(body)
            self.used_refresh, self.access, self.refresh = self.refresh, pair["access"], pair["refresh"]
        if row.case == "set_password ok":
            self._password = CHANGED_PASSWORD


def _access(replay: Replay) -> str:
    return replay.access


def _refresh(replay: Replay) -> str:
    return replay.refresh


# The token for a row's placeholder, unless it is the current one: access in a header, refresh in a body.
TOKENS: Mapping[str, Callable[[Replay], str]] = {
    "me junk token": lambda replay: "anVuaw.anVuaw.anVuaw",
    "me refresh as bearer": _refresh,
    "me expired": lambda replay: replay.expired(replay.access),
    "me wrong signature": lambda replay: replay.world.forge.with_bad_signature(replay.access),
    "me alg none": lambda replay: replay.world.forge.with_algorithm(replay.access, "none"),
    "me alg HS512 right key": lambda replay: replay.world.forge.with_algorithm(replay.access, "HS512"),
    "me no jti": lambda replay: replay.world.forge.alter(replay.access, drop=["jti"]),
    "me no token_type": lambda replay: replay.world.forge.alter(replay.access, drop=["token_type"]),
    "me no exp": lambda replay: replay.world.forge.alter(replay.access, drop=["exp"]),
    "me no user_id": lambda replay: replay.world.forge.alter(replay.access, drop=["user_id"]),
    "me iat in future": lambda replay: replay.world.forge.alter(replay.access, iat=int(replay.world.now()) + 3600),
    "me nbf in future": lambda replay: replay.world.forge.alter(replay.access, nbf=int(replay.world.now()) + 3600),
    "me unknown user": lambda replay: _of_unknown_user(replay, replay.access),
    "verify expired": lambda replay: replay.expired(replay.access),
    "verify refresh ok": _refresh,
    "verify bad signature": lambda replay: replay.world.forge.with_bad_signature(replay.access),
    "verify no jti": lambda replay: replay.world.forge.alter(replay.access, drop=["jti"]),
    "verify unknown user (not checked)": lambda replay: _of_unknown_user(replay, replay.access),
    "refresh again with the old (rotated) token": lambda replay: replay.used_refresh,
    "verify rotated refresh": lambda replay: replay.used_refresh,
    "refresh with access token": _access,
    "refresh expired": lambda replay: replay.expired(replay.refresh),
    "refresh bad signature": lambda replay: replay.world.forge.with_bad_signature(replay.refresh),
    "refresh unknown user": lambda replay: _of_unknown_user(replay, replay.refresh),
    "refresh no user_id claim": lambda replay: replay.world.forge.alter(replay.refresh, drop=["user_id"]),
    "refresh no jti": lambda replay: replay.world.forge.alter(replay.refresh, drop=["jti"]),
    "refresh with unknown extra claim": lambda replay: replay.world.forge.alter(replay.refresh, extra="x"),
    "blacklist access token": _access,
    "blacklist expired": lambda replay: replay.expired(replay.refresh),
}

# The user for a row's id, unless it is the client's own.
_UNKNOWN_ID = str(uuid4())
IDS: Mapping[str, str] = {
    "users/<other id>": OTHER_EMAIL,
    "users/<other> no auth": OTHER_EMAIL,
    "users/<other> PATCH": OTHER_EMAIL,
    "users/<other> DELETE": OTHER_EMAIL,
    "users/<unknown>": _UNKNOWN_ID,
}

# Steps before a row. A used token ends the session here, unlike in the recording, so the client logs in again.
STEPS_BEFORE: Mapping[str, tuple[Callable[[Replay], None], ...]] = {
    "refresh unknown user": (Replay.log_in,),
    "refresh no user_id claim": (Replay.log_in,),
    "refresh with unknown extra claim": (Replay.log_in,),
    "inactive: create": (Replay.log_in, Replay.deactivate),
    "blacklist ok": (Replay.activate, Replay.log_in),
    "set_password no auth": (Replay.log_in,),
    "delete me missing password": (Replay.log_in, Replay.reset_password),
}


def _of_unknown_user(replay: Replay, token: str) -> str:
    return replay.world.forge.alter(token, sub=_UNKNOWN_ID, user_id=_UNKNOWN_ID)


def _content_type(body: str) -> str:
    if body == "x":
        return "text/plain"
    return "application/x-www-form-urlencoded" if body.startswith("email=") else "application/json"


_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _compare(row: Row, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    deviation = DEVIATIONS.get(row.case)
    found = []
    expected_status = deviation.status if deviation else row.status
    if status != expected_status:
        found.append(f"status {status} instead of {expected_status}: {body[:200]!r}")
    expected_body = deviation.body if deviation else _parse(row.resp)
    given_body = _parse(_UUID.sub("<uuid>", _JWT.sub("<jwt>", body.decode())))
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


def _parse(text: str) -> Any:
    if not text:
        return ""
    try:
        return json.loads(text)
    except ValueError:
        return text
