"""The requests of applications: several sets of header fields, new paths and bodies, three kinds of credentials.

Requests are generated before a turn and written to a file, so that sending one costs the client a table look-up.
"""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from gateway.http.response_headers import SESSION_COOKIE

DISTINCT = 50_000
"""Requests in a file in which each is new; after the last one the first follows.

Sallyport's caches hold 4,096 entries, so a request that follows 49,999 others is new to it.
"""
CLIENTS = 100
"""Users with a token each. With the three header sets they make 300 different requests for one path."""
SMALL_POST = 200
"""Bytes of a small request body."""
PAGES = 20
"""Pages of the application that send requests."""
SEPARATOR = b"\0"
"""Stands after each request in a file: no request contains it."""

_HOST = "Host: api.example.com\r\n"
_CHROME = (
    _HOST + "Connection: keep-alive\r\n"
    'sec-ch-ua: "Chromium";v="{version}", "Google Chrome";v="{version}", "Not?A_Brand";v="99"\r\n'
    "{credentials}"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{version}.0.0.0 Safari/537.36\r\n"
    "Accept: application/json\r\n"
    "{content}"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Referer: https://app.example.com/notes/page-{page}\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: {language}\r\n"
)
"""A page's fetch() in Chrome: ten fields and the credentials.

A user has one of ten versions, and a page is one of PAGES, so new requests have 200 forms of these fields.
"""
_MOBILE = (
    _HOST + "{credentials}"
    "Accept: application/json\r\n"
    "{content}"
    "User-Agent: okhttp/4.12.0\r\n"
    "Accept-Encoding: gzip\r\n"
    "Connection: Keep-Alive\r\n"
)
"""An Android app with OkHttp: five fields and the credentials."""
TRACED = (
    _HOST + "{credentials}"
    "Accept: application/json\r\n"
    "{content}"
    "Accept-Language: {language}\r\n"
    "{conditional}"
    "traceparent: 00-{trace}-{trace:.16}-01\r\n"
    "User-Agent: notes-sdk/2.3 (python 3.12)\r\n"
)
"""A client that traces (W3C Trace Context): a new `traceparent` in each request, `If-None-Match` in every second."""
_LANGUAGES = ("en", "de-CH, de;q=0.9, en;q=0.5", "fr-FR, fr;q=0.9", "es", "pt-BR, pt;q=0.8, en;q=0.6")
_HEADER_SETS = (*[_CHROME] * 6, *[_MOBILE] * 2, TRACED)
"""Two of three requests come from Chrome. Nine and CLIENTS have no common divisor, so each user sends each set."""


@dataclass(frozen=True, slots=True)
class Client:
    """A user's credentials: an access token, a refresh token and a session handle."""

    access: str
    refresh: str
    handle: str


Target = Callable[[int], str]
"""Returns the path and query of a request from its number."""
CredentialLines = Callable[[Client], str]
"""Returns the header lines with the credentials."""


def repeated_target(path: str, paths: int = 1) -> Target:
    """Return a target that repeats after `paths` requests."""
    return lambda number: path if paths == 1 else f"{path}/{number % paths}"


def new_target(path: str) -> Target:
    """Return a target whose path and query are new in each request."""
    return lambda number: f"{path}/{_digest(number):.12}/comments?page={number % 7 + 1}&per_page=20&since={number}"


def bearer(client: Client) -> str:
    """Return the line with the access token."""
    return f"Authorization: Bearer {client.access}\r\n"


def bearer_and_refresh(client: Client) -> str:
    """Return the lines with the access token and the refresh token."""
    return f"{bearer(client)}X-Refresh-Token: {client.refresh}\r\n"


def session_cookie(client: Client) -> str:
    """Return the line with the session cookie and another cookie of the application."""
    return f"Cookie: theme=dark; {SESSION_COOKIE}={client.handle}\r\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request. `is_new`: header fields that differ between requests do so here, too."""

    target: Target
    credentials: CredentialLines = bearer
    is_new: bool = True
    posts: bool = False
    header_sets: tuple[str, ...] = _HEADER_SETS

    def with_bearer(self) -> "Kind":
        """Return the same kind with the access token alone, for servers without sessions and refreshes."""
        return replace(self, credentials=bearer)

    def request(self, number: int, client: Client) -> bytes:
        """Return the bytes of the request with this number."""
        user = number % CLIENTS if self.is_new else 0
        trace = _digest(number if self.is_new else 0)
        body = _small_body(number) if self.posts else ""
        content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if self.posts else ""
        fields = self.header_sets[number % len(self.header_sets)].format(
            credentials=self.credentials(client),
            content=content,
            language=_LANGUAGES[user % len(_LANGUAGES)],
            version=121 + user % 10,
            page=number // CLIENTS % PAGES if self.is_new else 0,
            conditional=f'If-None-Match: "{trace}"\r\n' if number % 2 else "",
            trace=trace,
        )
        method = "POST" if self.posts else "GET"
        return f"{method} {self.target(number)} HTTP/1.1\r\n{fields}\r\n{body}".encode()


Shares = tuple[tuple[int, Kind], ...]
"""Kinds of requests, each with its share in percent."""


def make_requests(shares: Shares, clients: Sequence[Client]) -> Iterator[bytes]:
    """Return DISTINCT requests in random order; if none is to be new, each user's requests with each header set."""
    deck = [kind for percent, kind in shares for _ in range(DISTINCT * percent // 100)]
    if not any(kind.is_new for kind in deck):
        deck = deck[: len(_HEADER_SETS) * len(clients)]
    random.Random(1).shuffle(deck)  # the same order in every run
    return (kind.request(number, clients[number % len(clients)]) for number, kind in enumerate(deck))


def write_requests(path: Path, requests: Iterable[bytes]) -> Path:
    """Write the requests to a file that turn.lua reads, and return its path."""
    with path.open("wb") as file:
        file.writelines(request + SEPARATOR for request in requests)
    return path


def make_clients(tokens: Iterable[str]) -> list[Client]:
    """Return a user for each access token."""
    return [Client(token, f"{_digest(number)}.{'r' * 400}", _handle(token)) for number, token in enumerate(tokens)]


def write_sessions(path: Path, clients: Iterable[Client]) -> None:
    """Write the access token for the hash of each session handle, which the stand-in auth service reads."""
    path.write_text(json.dumps({sha256(client.handle.encode()).hexdigest(): client.access for client in clients}))


def _handle(token: str) -> str:
    return sha256(token.encode()).hexdigest()[:43]


def _small_body(number: int) -> str:
    start = f'{{"title":"Note {number}","checksum":"{_digest(number)}","body":"'
    return start + "x" * (SMALL_POST - len(start) - 2) + '"}'


def _digest(number: int) -> str:
    """Return 32 hexadecimal digits that look random and are the same in every run."""
    return sha256(number.to_bytes(8)).hexdigest()[:32]
