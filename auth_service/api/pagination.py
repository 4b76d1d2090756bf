"""Owns how a long list is answered: a page at a time, with references to those beside it."""

from collections.abc import Callable, Sequence

from flask import request, url_for

from auth_service.api.errors import not_found
from chassis.json_body import JSON

Fetch = Callable[[int, int], Sequence[JSON]]
"""The entries from an offset on, at most so many."""


def page_of(count: int, size: int, fetch: Fetch) -> dict[str, JSON]:
    """The page of `count` entries that `?page=` asks for. Raises AuthRefused 404 where there is no such page."""
    last = max(1, -(-count // size))
    number = _positive(request.args.get("page", "1"))
    if number is None or number > last:
        raise not_found("Invalid page.")
    return {
        "count": count,
        "next": _url(number + 1) if number < last else None,
        "previous": _url(number - 1) if number > 1 else None,
        "results": list(fetch((number - 1) * size, size)),
    }


def asked_size(default: int, most: int) -> int:
    """Entries a page: what `?page_size=` asks for, `most` at most; the default where that is no number."""
    return min(_positive(request.args.get("page_size", "")) or default, most)


def _positive(digits: str) -> int | None:
    is_number = digits.isascii() and digits.isdecimal() and len(digits) < 10
    return int(digits) if is_number and int(digits) > 0 else None


def _url(number: int) -> str:
    query = {name: value for name, value in request.args.items() if name == "page_size"}
    # The first page is the plain address.
    if number > 1:
        query["page"] = str(number)
    # Without a host: what the client calls this service, it knows itself, and Host is whatever it sent.
    return url_for(request.endpoint or "", _external=False, **query)
