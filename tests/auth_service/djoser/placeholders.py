"""What stands in a replayed request in place of a recorded token or id, and what the client does before a request."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import uuid4

from auth_service.accounts.mail_tokens import Purpose
from tests.auth_service.djoser.recordings import Row
from tests.auth_service.forge import Forge
from tests.auth_service.mail_links import Link

EMAIL, OTHER_EMAIL = "myuser@gmail.com", "form@b.co"


class World(Protocol):
    """The service under test, besides its requests: its keys, its clock, an operator and the mails."""

    forge: Forge

    def now(self) -> float:
        """Return the time of the service, in seconds since the epoch."""

    def deactivate(self, email: str) -> None:
        """Deactivate a user."""

    def activate(self, email: str) -> None:
        """Activate a user."""

    def link(self, purpose: Purpose, email: str) -> Link:
        """Return the link of a mail that is sent now."""


class Client(Protocol):
    """The client of the replay."""

    world: World
    access: str
    refresh: str
    used_refresh: str

    def log_in(self) -> None:
        """Log in and keep the tokens."""


def _access(replay: Client) -> str:
    return replay.access


def _refresh(replay: Client) -> str:
    return replay.refresh


def _expired(replay: Client, token: str) -> str:
    now = int(replay.world.now())
    return replay.world.forge.alter(token, iat=now - 7200, exp=now - 3600)


def _log_in(replay: Client) -> None:
    replay.log_in()


def _deactivate(replay: Client) -> None:
    replay.world.deactivate(EMAIL)


def _activate(replay: Client) -> None:
    replay.world.activate(EMAIL)


TOKENS: Mapping[str, Callable[[Client], str]] = {
    "me junk token": lambda replay: "anVuaw.anVuaw.anVuaw",
    "me refresh as bearer": _refresh,
    "me expired": lambda replay: _expired(replay, replay.access),
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
    "verify expired": lambda replay: _expired(replay, replay.access),
    "verify refresh ok": _refresh,
    "verify bad signature": lambda replay: replay.world.forge.with_bad_signature(replay.access),
    "verify no jti": lambda replay: replay.world.forge.alter(replay.access, drop=["jti"]),
    "verify unknown user (not checked)": lambda replay: _of_unknown_user(replay, replay.access),
    "refresh again with the old (rotated) token": lambda replay: replay.used_refresh,
    "verify rotated refresh": lambda replay: replay.used_refresh,
    "refresh with access token": _access,
    "refresh expired": lambda replay: _expired(replay, replay.refresh),
    "refresh bad signature": lambda replay: replay.world.forge.with_bad_signature(replay.refresh),
    "refresh unknown user": lambda replay: _of_unknown_user(replay, replay.refresh),
    "refresh no user_id claim": lambda replay: replay.world.forge.alter(replay.refresh, drop=["user_id"]),
    "refresh no jti": lambda replay: replay.world.forge.alter(replay.refresh, drop=["jti"]),
    "refresh with unknown extra claim": lambda replay: replay.world.forge.alter(replay.refresh, extra="x"),
    "blacklist access token": _access,
    "blacklist expired": lambda replay: _expired(replay, replay.refresh),
}
"""The token for a row's placeholder, unless it is the current one: access in a header, refresh in a body."""

_UNKNOWN_ID = str(uuid4())
IDS: Mapping[str, str] = {
    "users/<other id>": OTHER_EMAIL,
    "users/<other> no auth": OTHER_EMAIL,
    "users/<other> PATCH": OTHER_EMAIL,
    "users/<other> DELETE": OTHER_EMAIL,
    "users/<unknown>": _UNKNOWN_ID,
}
"""The address, or the id, of the user for a row's id, unless it is the client's own."""

STEPS_BEFORE: Mapping[str, Sequence[Callable[[Client], None]]] = {
    "refresh unknown user": (_log_in,),
    "refresh no user_id claim": (_log_in,),
    "refresh with unknown extra claim": (_log_in,),
    "inactive: create": (_log_in, _deactivate),
    "blacklist ok": (_activate, _log_in),
    "set_password no auth": (_log_in,),
    "delete me missing password": (_log_in,),
}
"""Steps before a row. A used token and a reset password end sessions here, unlike in the recording."""


def token_for(replay: Client, row: Row) -> str:
    """Return the token for the placeholder of a row."""
    return TOKENS.get(row.case, _refresh if '"refresh"' in row.body else _access)(replay)


def _of_unknown_user(replay: Client, token: str) -> str:
    return replay.world.forge.alter(token, sub=_UNKNOWN_ID, user_id=_UNKNOWN_ID)
