"""Send hostile input to every endpoint in a Flask app's URL map, and check the responses."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from contract.page_session import is_page
from tests.hostile_input.requests import JSON, Body, QueryOrHeader, bodies, queries_and_headers
from tests.hostile_input.stored_rows import StoredRows
from tests.hostile_input.strings import STRINGS

FULL = bool(os.environ.get("SALLYPORT_FAULTS"))
SAMPLE, SMALL_SAMPLE = (800, 2) if FULL else (8, 1)
"""Number of hostile requests for each endpoint: mainly bodies if it accepts one, else queries and headers."""
STRINGS_PER_ID = 60 if FULL else 4
"""Number of hostile strings in place of each id."""

EMPTY_REFUSAL = "/auth/users/resend_activation"
"""The path of the endpoint whose 400 has no body if activation mails are off, as in djoser."""

_READ_NOTHING = re.compile(r"/(healthz|readyz|jwks\.json)$")
"""Endpoints that read neither body, query nor headers."""
_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Headers = Callable[[], Mapping[str, str]]
"""Returns the headers with the credentials of a caller, fresh for each request."""
Item = TypeVar("Item")


def endpoints(app: Flask) -> list[tuple[Rule, str]]:
    """Return each rule of `app` with each of its methods."""
    return [(rule, method) for rule in app.url_map.iter_rules() for method in sorted(rule.methods or ())]


class Attack:
    """Send hostile input to each endpoint of an app, and collect wrong responses by input in `problems`.

    `on_change` is called after each change of the stored data, since the request may have ended a session.
    """

    def __init__(self, app: Flask, stored: StoredRows, on_change: Callable[[], None] = lambda: None) -> None:
        self.problems: dict[str, str] = {}
        self.sent: Counter[tuple[str, str]] = Counter()
        """Number of requests to each endpoint by a caller that it accepts."""
        self._app = app
        self._stored = stored
        self._on_change = on_change
        self._round = 0

    def run(self, rule: Rule, method: str, valid_id: str, callers: Sequence[Headers]) -> None:
        """Attack an endpoint as each caller. The first caller that it accepts sends most of the requests."""
        path, *others = paths(rule, valid_id)
        for credentials in callers:
            is_accepted = self._accepts(path, method, credentials)
            is_first = is_accepted and not self.sent[rule.rule, method] and not _READ_NOTHING.search(rule.rule)
            sent = self._send(path, method, credentials, SAMPLE if is_first else SMALL_SAMPLE)
            if is_first:
                self.sent[rule.rule, method] = sent
            for other in others if is_accepted else others[:1]:
                self._try(other, method, credentials, f"the path {other[:80]}", data=b"{}", content_type=JSON)

    def _accepts(self, path: str, method: str, credentials: Headers) -> bool:
        response = self._app.test_client().open(
            path, method=method, headers=credentials(), data=b"{}", content_type=JSON
        )
        response.close()
        if self._stored.has_changed():
            self._on_change()
        return response.status_code not in (401, 403, 404, 405)

    def _send(self, path: str, method: str, credentials: Headers, size: int) -> int:
        """Send a sample of all bodies, queries and headers. Return the number of requests."""
        self._round += 1
        most, least = (size, max(1, size // 8))
        body_count, query_and_header_count = (most, least) if method in _WITH_A_BODY else (least, most)
        if method in ("HEAD", "OPTIONS", "TRACE"):  # like GET, or handled by Flask
            body_count = query_and_header_count = SMALL_SAMPLE
        for body in sample(every_body(), self._round, body_count):
            self._try(path, method, credentials, body.name, data=body.data, content_type=body.content_type)
        for each in sample(every_query_and_header(), self._round, query_and_header_count):
            self._try(path, method, credentials, each.name, each.headers, query_string=each.query)
        return body_count + query_and_header_count

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
        response = self._app.test_client().open(path, method=method, headers=sent_headers, **options)
        changed = self._stored.has_changed()
        if problem := problem_of(response, changed=changed):
            self.problems[f"{method} {path} {name}"] = problem
        response.close()  # as a server does; an open event stream would count against the limit
        if changed:
            self._on_change()


@cache
def every_body() -> tuple[Body, ...]:
    """Return every hostile request body."""
    return tuple(bodies())


@cache
def every_query_and_header() -> tuple[QueryOrHeader, ...]:
    """Return every hostile query and header."""
    return tuple(queries_and_headers())


def sample(items: Sequence[Item], round_number: int, size: int) -> Iterator[Item]:
    """Return about `size` items, spread over all of them; other items in each round."""
    step = len(items) // size
    # 7 divides few steps, so that successive rounds start at different items.
    return islice(items, round_number * 7 % step, None, step)


def problem_of(response: TestResponse, *, changed: bool) -> str:
    """Return the problem with a response, or an empty string."""
    if response.status_code >= 500:
        return f"{response.status_code} {response.text[:200]}"
    if response.status_code < 400:
        return ""
    if changed:
        return f"{response.status_code}, but something was stored"
    if response.request.path.rstrip("/") == EMPTY_REFUSAL and not response.data:
        return ""
    if is_page(response.request.path):
        is_safe = response.mimetype == "text/html" and "Content-Security-Policy" in response.headers
        return "" if is_safe else f"{response.status_code} that is no page: {response.content_type}"
    if response.request.method != "HEAD" and response.get_json(silent=True) is None:
        return f"{response.status_code} without a JSON body: {response.content_type} {response.text[:200]}"
    return ""


def paths(rule: Rule, valid_id: str) -> Iterator[str]:
    """Return the paths of `rule`, with `valid_id` and with hostile strings as its variables."""
    if not rule.arguments:
        yield rule.rule
        return
    for text in (
        valid_id,
        *(quote(text[:200], safe="", errors="surrogatepass") for text in STRINGS[:: len(STRINGS) // STRINGS_PER_ID]),
    ):
        path = rule.rule
        for name in rule.arguments:
            for form in (f"<{name}>", f"<string:{name}>", f"<uuid:{name}>", f"<int:{name}>", f"<path:{name}>"):
                path = path.replace(form, text)
        yield path
