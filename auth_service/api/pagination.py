"""Pagination: one page of a list, with the paths of the pages before and after it."""

from collections.abc import Callable, Sequence

from flask import request, url_for

from auth_service.api.errors import not_found
from auth_service.api.models.base import Item
from auth_service.api.models.page import PageResponse

Fetch = Callable[[int, int], Sequence[Item]]
"""Return the items from an offset on, at most as many as the limit: `fetch(offset, limit)`."""


def read_page(count: int, size: int, fetch: Fetch[Item]) -> PageResponse[Item]:
    """Return the page that `?page=` names, of a list of `count` items. Raises ApiError(404) if there is none."""
    last = max(1, -(-count // size))
    number = _positive(request.args.get("page", "1"))
    if number is None or number > last:
        raise not_found("Invalid page.")
    return PageResponse(
        count=count,
        next=_path(number + 1) if number < last else None,
        previous=_path(number - 1) if number > 1 else None,
        results=fetch((number - 1) * size, size),
    )


def requested_page_size(default: int, maximum: int) -> int:
    """Return the value of `?page_size=`, at most `maximum`, or `default` if it is not a positive number."""
    return min(_positive(request.args.get("page_size", "")) or default, maximum)


def _positive(digits: str) -> int | None:
    is_number = digits.isascii() and digits.isdecimal() and len(digits) < 10
    return int(digits) if is_number and int(digits) > 0 else None


def _path(number: int) -> str:
    query = {name: value for name, value in request.args.items() if name == "page_size"}
    if number > 1:  # djoser leaves ?page= out for the first page
        query["page"] = str(number)
    # A path without a host: the Host header is the client's, and the client knows the host it calls.
    return url_for(request.endpoint or "", _external=False, **query)
