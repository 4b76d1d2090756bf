"""The messages that events cause: their types and their bodies.

A body is written once, when the event happens. It is stored and sent as it is, so that every attempt sends the same
bytes. It contains no password, no token and no hash.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import uuid4

from auth_service.events.account_events import (
    BreachedPasswordUsed,
    EmailChanged,
    EndReason,
    Event,
    LoggedIn,
    PasswordChanged,
    PasswordReset,
    RolesChanged,
    SessionEnded,
    SessionMovedIn,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserInvited,
    UserRegistered,
    UserUpdated,
)
from auth_service.events.client import MAX_ADDRESS, MAX_DEVICE

Data = Mapping[str, object]
"""The member `data` of a body, without what all events have."""


class MessageType(StrEnum):
    """The types of messages that endpoints can choose."""

    USER_CREATED = "user.created"
    USER_INVITED = "user.invited"
    """Another invitation of a user who has not accepted one. The first invitation is `user.created`."""
    USER_ACTIVATED = "user.activated"
    USER_UPDATED = "user.updated"
    USER_EMAIL_CHANGED = "user.email_changed"
    USER_PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - the name of a type
    USER_BREACHED_PASSWORD = "user.breached_password"  # noqa: S105 - the name of a type
    USER_ROLES_CHANGED = "user.roles_changed"
    USER_DEACTIVATED = "user.deactivated"
    USER_DELETED = "user.deleted"
    SESSION_CREATED = "session.created"
    SESSION_ENDED = "session.ended"
    SESSION_REPLAY_DETECTED = "session.replay_detected"


TEST = "webhook.test"
"""The type of a test message, which every endpoint gets."""


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """A message for one or more endpoints. `at` is in seconds since the epoch; `body` is JSON."""

    id: str
    type: str
    at: float
    body: str


def new_message(message_type: str, at: float, data: Data) -> Message:
    """Return a message with a new id. Receivers recognize by the id what they have got before."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = json.dumps({"type": message_type, "timestamp": when, "data": data}, separators=(",", ":"))
    return Message(f"msg_{uuid4().hex}", message_type, at, body)


def messages_of(event: Event, is_wanted: Callable[[MessageType], bool]) -> Sequence[Message]:
    """Return the messages that `event` causes, of the types for which `is_wanted` is true."""
    return [
        new_message(message_type, event.at, {**_common(event), **data})
        for message_type, data in _types_of(event)
        if is_wanted(message_type)
    ]


def _common(event: Event) -> Data:
    client = event.client
    return {
        "user_id": str(event.user_id) if event.user_id else None,
        "actor": client.actor or None,
        "address": client.address[:MAX_ADDRESS] or None,
        "device": client.device[:MAX_DEVICE] or None,
    }


def _types_of(event: Event) -> Iterator[tuple[MessageType, Data]]:
    match event:
        case LoggedIn(sid=sid):
            yield MessageType.SESSION_CREATED, {"session_id": sid, "method": "password"}
        case SessionMovedIn(sid=sid):
            yield MessageType.SESSION_CREATED, {"session_id": sid, "method": "token_exchange"}
        case SessionEnded(sid=sid, reason=reason):
            yield MessageType.SESSION_ENDED, {"session_id": sid, "reason": reason.name.lower()}
            if reason is EndReason.REPLAY:
                yield MessageType.SESSION_REPLAY_DETECTED, {"session_id": sid}
        case UserRegistered(email=email, must_verify=must_verify):
            status = "unverified" if must_verify else "active"
            yield MessageType.USER_CREATED, {**_profile(event), "email": email, "status": status, "invited": False}
        case UserInvited(is_repeated=True, email=email, roles=roles):
            yield MessageType.USER_INVITED, {"email": email, "roles": roles.split()}
        case UserInvited(email=email):
            data = {**_profile(event), "email": email, "status": "unverified", "invited": True}
            yield MessageType.USER_CREATED, data
        case UserUpdated(email=email):
            yield MessageType.USER_UPDATED, {"email": email, **_names(event)}
        case _:
            yield from _types_of_change(event)


def _types_of_change(event: Event) -> Iterator[tuple[MessageType, Data]]:
    match event:
        case UserActivated(reason=activation, email=email):
            yield MessageType.USER_ACTIVATED, {"email": email, "reason": activation.name.lower()}
        case EmailChanged(old_email=old_email, email=email):
            yield MessageType.USER_EMAIL_CHANGED, {"email": email, "former_email": old_email}
        case PasswordChanged(email=email):
            yield MessageType.USER_PASSWORD_CHANGED, {"email": email, "method": "changed"}
        case PasswordReset(email=email):
            yield MessageType.USER_PASSWORD_CHANGED, {"email": email, "method": "reset"}
        case BreachedPasswordUsed(sid=sid):
            yield MessageType.USER_BREACHED_PASSWORD, {"session_id": sid}
        case RolesChanged(roles=roles, former_roles=former):
            yield MessageType.USER_ROLES_CHANGED, {"roles": roles.split(), "former_roles": former.split()}
        case UserDeactivated():
            yield MessageType.USER_DEACTIVATED, {}
        case UserDeleted():
            yield MessageType.USER_DELETED, {}


def _profile(event: UserRegistered | UserInvited) -> Data:
    return {**_names(event), "roles": event.roles.split()}


def _names(event: UserRegistered | UserInvited | UserUpdated) -> Data:
    return {"first_name": event.first_name, "last_name": event.last_name}
