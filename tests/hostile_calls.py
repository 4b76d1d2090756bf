"""Send hostile bodies to every endpoint in a Flask app's URL map, and check the responses."""

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.hostile_json import JSON, STRINGS, Body, Place, bodies, places

FULL = bool(os.environ.get("SALLYPORT_FAULTS"))
SHARE, SMALL_SHARE = (800, 2) if FULL else (12, 1)
"""Hostile requests for each endpoint: bodies where it accepts one, strings elsewhere."""
PATHS = 60 if FULL else 4
"""Naughty strings tried in place of each id."""

_UNMOVED = re.compile(r"/(healthz|readyz|jwks\.json)$")
"""Requests for endpoints that read nothing of a request."""
_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Headers = Callable[[], Mapping[str, str]]
"""Returns fresh credentials for each request."""
Some = TypeVar("Some")
Rows = Mapping[str, Sequence[tuple[object, ...]]]


class Stored:
    """Return the rows of a database, without the tables that may record refusals."""

    def __init__(self, database: Path, *, except_for: frozenset[str] = frozenset()) -> None:
        self._connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        self._except_for = except_for
        self._version = -1
        self._rows: Rows = {}
        self.has_changed()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def has_changed(self) -> bool:
        """Return whether the rows have changed since the last call."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return False
        before, self._version, self._rows = self._rows, version, self._read()
        return before != self._rows

    def _read(self) -> Rows:
        named = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        names = sorted({name for (name,) in named} - self._except_for)
        return {name: self._connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}


def endpoints(app: Flask) -> list[tuple[Rule, str]]:
    """Yield each rule of `app` with each of its methods."""
    return [(rule, method) for rule in app.url_map.iter_rules() for method in sorted(rule.methods or ())]


class Attack:
    """Send hostile input to each endpoint of an app, and collect wrong responses by input.

    `settle` is called after each change of the stored data: a user may have logged out, or be deleted.
    """

    def __init__(self, app: Flask, stored: Stored, settle: Callable[[], None] = lambda: None) -> None:
        self.complaints: dict[str, str] = {}
        self.sent: Counter[tuple[str, str]] = Counter()
        """How much was sent to an endpoint by somebody whom it listens to."""
        self._app = app
        self._stored = stored
        self._settle = settle
        self._turn = 0

    def play(self, rule: Rule, method: str, honest: str, callers: Sequence[Headers]) -> None:
        """Attack an endpoint as each of the callers; the first caller that it accepts sends the most."""
        path, *others = paths(rule, honest)
        for credentials in callers:
            listens = self._listens(path, method, credentials)
            is_first = listens and not self.sent[rule.rule, method] and not _UNMOVED.search(rule.rule)
            sent = self._send(path, method, credentials, SHARE if is_first else SMALL_SHARE)
            if is_first:
                self.sent[rule.rule, method] = sent
            for other in others if listens else others[:1]:
                self._try(other, method, credentials, f"the path {other[:80]}", data=b"{}", content_type=JSON)

    def _listens(self, path: str, method: str, credentials: Headers) -> bool:
        answer = self._app.test_client().open(
            path, method=method, headers=credentials(), data=b"{}", content_type=JSON
        )
        answer.close()
        if self._stored.has_changed():
            self._settle()
        return answer.status_code not in (401, 403, 404, 405)

    def _send(self, path: str, method: str, credentials: Headers, size: int) -> int:
        """Return the number of requests that were sent."""
        self._turn += 1
        most, least = (size, max(1, size // 8))
        of_bodies, of_places = (most, least) if method in _WITH_A_BODY else (least, most)
        if method in ("HEAD", "OPTIONS", "TRACE"):  # as GET, or not ours
            of_bodies = of_places = SMALL_SHARE
        for body in share(every_body(), self._turn, of_bodies):
            self._try(path, method, credentials, body.name, data=body.data, content_type=body.content_type)
        for place in share(every_place(), self._turn, of_places):
            self._try(path, method, credentials, place.name, place.headers, query_string=place.query)
        return of_bodies + of_places

    def _try(
        self,
        path: str,
        method: str,
        credentials: Headers,
        name: str,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._stored.has_changed()
        sent_headers = {**credentials(), **(headers or {})}
        answer = self._app.test_client().open(path, method=method, headers=sent_headers, **options)
        changed = self._stored.has_changed()
        if wrong := complaint(answer, changed=changed):
            self.complaints[f"{method} {path} {name}"] = wrong
        answer.close()  # as a server does; a stream would go on holding its place
        if changed:
            self._settle()


@cache
def every_body() -> tuple[Body, ...]:
    """Return every body."""
    return tuple(bodies())


@cache
def every_place() -> tuple[Place, ...]:
    """Return every place."""
    return tuple(places())


def share(everything: Sequence[Some], turn: int, size: int) -> Iterator[Some]:
    """Return about `size` of them, spread over all, others at each turn."""
    step = len(everything) // size
    return islice(everything, turn * 7 % step, None, step)


def complaint(answer: TestResponse, *, changed: bool) -> str:
    """Return what is wrong with a response, or an empty string."""
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:200]}"
    if answer.status_code < 400:
        return ""
    if changed:
        return f"{answer.status_code}, and yet something was stored"
    if answer.request.method != "HEAD" and answer.get_json(silent=True) is None:
        return f"{answer.status_code}, and no JSON: {answer.content_type} {answer.text[:200]}"
    return ""


def paths(rule: Rule, honest: str) -> Iterator[str]:
    """Return the paths of `rule`, with `honest` and with naughty strings as its variables."""
    if not rule.arguments:
        yield rule.rule
        return
    for text in (
        honest,
        *(quote(text[:200], safe="", errors="surrogatepass") for text in STRINGS[:: len(STRINGS) // PATHS]),
    ):
        path = rule.rule
        for name in rule.arguments:
            for form in (f"<{name}>", f"<string:{name}>", f"<uuid:{name}>", f"<int:{name}>", f"<path:{name}>"):
                path = path.replace(form, text)
        yield path
