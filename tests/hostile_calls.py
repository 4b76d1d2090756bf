"""Sends hostile bodies to every endpoint of a Flask app, as its own URL map names them, and judges the answers."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.hostile_json import STRINGS, Body, bodies

FULL = bool(os.environ.get("SALLYPORT_FAULTS"))
SHARE, SMALL_SHARE = (200, 10) if FULL else (8, 1)
"""Bodies for an endpoint and caller, and where none is expected; each is sent others."""
PATHS = 4 if FULL else 2
"""Naughty strings in the place of each id."""

_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Headers = Callable[[], Mapping[str, str]]
"""What proves who is asking, made anew for each request."""
Rows = Mapping[str, Sequence[tuple[object, ...]]]


class Stored:
    """What a database holds, but for the tables that may tell of refusals."""

    def __init__(self, database: Path, *, except_for: frozenset[str] = frozenset()) -> None:
        self._connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        self._except_for = except_for
        self._version = -1
        self._rows: Rows = {}
        self.has_changed()

    def close(self) -> None:
        """Ends it."""
        self._connection.close()

    def has_changed(self) -> bool:
        """Whether it is another since the last time."""
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
    """Each rule of `app` with each of its methods."""
    return [(rule, method) for rule in app.url_map.iter_rules() for method in sorted(rule.methods or ())]


def attack(
    app: Flask, place: int, path: str, method: str, credentials: Headers, stored: Stored, *, briefly: bool
) -> dict[str, str]:
    """Sends what is `place`'s share of the bodies to an endpoint; what was wrong with answers, by the body's name."""
    client = app.test_client()
    complaints: dict[str, str] = {}
    stored.has_changed()
    for body in share(place, SMALL_SHARE if briefly or method not in _WITH_A_BODY else SHARE):
        answer = client.open(
            path, method=method, headers=credentials(), data=body.data, content_type=body.content_type
        )
        if wrong := complaint(answer, changed=stored.has_changed()):
            complaints[f"{method} {path} {body.name}"] = wrong
        answer.close()  # as a server does; a stream would go on holding its place
    return complaints


@cache
def _every_body() -> tuple[Body, ...]:
    return tuple(bodies())


def share(place: int, size: int) -> Iterator[Body]:
    """Some `size` bodies for the endpoint at `place`."""
    every = _every_body()
    step = len(every) // size
    return islice(every, place * 7 % step, None, step)


def complaint(answer: TestResponse, *, changed: bool) -> str:
    """What is wrong with an answer; nothing where nothing is."""
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
    """The paths of `rule`, with `honest` and with naughty strings in the place of what it leaves open."""
    if not rule.arguments:
        yield rule.rule
        return
    for text in (honest, *(quote(text[:200], safe="") for text in STRINGS[:: len(STRINGS) // PATHS])):
        path = rule.rule
        for name in rule.arguments:
            for form in (f"<{name}>", f"<string:{name}>", f"<uuid:{name}>", f"<int:{name}>", f"<path:{name}>"):
                path = path.replace(form, text)
        yield path
