"""The endpoints of WEBHOOKS: the URL, the secrets and the types of messages of each receiver, in TOML.

```toml
[endpoints.crm]
url = "https://crm.example.org/hooks/sallyport"
secrets = ["whsec_..."]
events = ["user.*", "session.replay_detected"]
```
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auth_service.events.account_events import Event
from auth_service.webhooks.messages import TEST, MessageType, messages_of, new_message
from auth_service.webhooks.outbox import NewDelivery
from auth_service.webhooks.signature import secret_key
from chassis.secret_rotation.watched_secret import WatchedSecret

MAX_ENDPOINTS = 50
"""Each has a thread in every process."""
MAX_SECRETS = 2
"""The present secret, and the next or the previous one."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """A receiver of webhooks. Each of its `keys` signs every message."""

    name: str
    url: str
    keys: tuple[bytes, ...]
    types: frozenset[MessageType]


Endpoints = Mapping[str, Endpoint]
"""Endpoints by name."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)

    url: str
    secrets: Annotated[list[str], Field(min_length=1, max_length=MAX_SECRETS)]
    events: Annotated[list[str], Field(min_length=1)] = ["*"]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)

    endpoints: Annotated[dict[str, _Entry], Field(max_length=MAX_ENDPOINTS)] = {}


def parse_endpoints(text: str, *, allow_http: bool) -> Endpoints:
    """Return the endpoints in TOML. Raises ValueError, whose text names the field and does not contain a secret."""
    try:
        file = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not valid TOML: {error}") from None
    except ValidationError as error:
        raise ValueError("; ".join(_problems(error))) from None
    return {name: _endpoint(name, entry, allow_http=allow_http) for name, entry in file.endpoints.items()}


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        yield f"{'.'.join(map(str, problem['loc']))}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _endpoint(name: str, entry: _Entry, *, allow_http: bool) -> Endpoint:
    where = f"endpoints.{name}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{where}: a name has at most 63 characters of a-z, 0-9, - and _, the first of a-z or 0-9")
    try:
        _check_url(entry.url, allow_http=allow_http)
    except ValueError as error:
        raise ValueError(f"{where}.url {error}") from None
    keys = tuple(_keys(where, entry.secrets))
    if len(set(keys)) < len(keys):
        raise ValueError(f"{where}.secrets contains the same secret twice")
    return Endpoint(name, entry.url, keys, frozenset(_types(where, entry.events)))


def _check_url(url: str, *, allow_http: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an https:// URL")
    if parts.scheme == "http" and not allow_http:
        raise ValueError("must be an https:// URL; http:// needs WEBHOOKS_ALLOW_PRIVATE=on")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("must have neither a user nor a fragment")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("must be printable ASCII without spaces; write other characters percent-encoded")
    if parts.port == 0:  # the attribute raises ValueError for other wrong ports
        raise ValueError("must have a port from 1 to 65535")


def _keys(where: str, secrets: Sequence[str]) -> Iterator[bytes]:
    for number, secret in enumerate(secrets):
        try:
            yield secret_key(secret)
        except ValueError as error:
            raise ValueError(f"{where}.secrets[{number}] {error}; `webhooks new-secret` prints one") from None


def _types(where: str, names: Sequence[str]) -> Iterator[MessageType]:
    for number, name in enumerate(names):
        is_group = name == "*" or name.endswith(".*")
        found = [each for each in MessageType if each == name or (is_group and each.startswith(name[:-1]))]
        if not found:
            known = ", ".join(MessageType)
            raise ValueError(f"{where}.events[{number}] is {name!r}; events are *, user.*, session.*, {known}")
        yield from found


class Subscriptions:
    """Which endpoints get which messages. The endpoints change while the process runs."""

    def __init__(self, endpoints: WatchedSecret[Endpoints]) -> None:
        self._endpoints = endpoints

    def current(self) -> Endpoints:
        """Return the endpoints as they are now."""
        return self._endpoints.current()

    def deliveries_for(self, event: Event) -> Sequence[NewDelivery]:
        """Return the deliveries that `event` causes: one for each of its messages and each endpoint that wants it."""
        endpoints = self._endpoints.current().values()
        if not endpoints:
            return ()
        wanted: frozenset[MessageType] = frozenset().union(*(endpoint.types for endpoint in endpoints))
        return [
            NewDelivery(message, endpoint.name)
            for message in messages_of(event, wanted.__contains__)
            for endpoint in endpoints
            if message.type in endpoint.types
        ]


def new_test_delivery(endpoint: str, now: float) -> NewDelivery:
    """Return the delivery of a test message to the endpoint of this name."""
    return NewDelivery(new_message(TEST, now, {"endpoint": endpoint}), endpoint)
