"""Pagination: one page of a list, with the URLs of the previous and the next page."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

from flask import request

from auth_service.api.errors import not_found
from auth_service.api.models.base import Item
from auth_service.api.models.page import PageResponse
from auth_service.services import services

_FILTERS = frozenset({"page_size", "search", "role", "status"})
"""The parameters that the URLs of other pages have too."""
_SAFE = "!$'()*,/:;?@"
"""Characters that a query may contain as they are (RFC 3986 3.4), without those that separate parameters."""

Fetch = Callable[[int, int], Sequence[Item]]
"""`fetch(offset, limit)` returns at most `limit` items of a list, without the first `offset` items."""


def read_page(count: int, size: int, fetch: Fetch[Item]) -> PageResponse[Item]:
    """Return the page with the number in `?page=`, of a list of `count` items. Raises ApiError(404) if there is none.

    `?page=last` is the last page, as in djoser's API. `size` is the number of items on a page.
    """
    last = max(1, -(-count // size))
    wanted = request.args.get("page", "1")
    number = last if wanted == "last" else _positive_number(wanted)
    if number is None or number > last:
        raise not_found("Invalid page.")
    return PageResponse(
        count=count,
        next=_url(number + 1) if number < last else None,
        previous=_url(number - 1) if number > 1 else None,
        results=fetch((number - 1) * size, size),
    )


def requested_page_size(default: int, maximum: int) -> int:
    """Return the number in `?page_size=`, at most `maximum`. Return `default` if it is not from 1 to 999,999,999."""
    return min(_positive_number(request.args.get("page_size", "")) or default, maximum)


def _positive_number(digits: str) -> int | None:
    is_number = digits.isascii() and digits.isdecimal() and len(digits) < 10
    return int(digits) if is_number and int(digits) > 0 else None


def _url(number: int) -> str:
    """Return the URL of a page: that of the gateway if PUBLIC_URL is set, otherwise only its path."""
    query = {name: value for name, value in request.args.items() if name in _FILTERS}
    if number > 1:  # djoser omits ?page= for the first page
        query["page"] = str(number)
    return url_of_list(query)


def url_of_list(query: Mapping[str, str]) -> str:
    """Return the URL of the requested list with another query."""
    # Never with the host of the request, so that a forged Host header cannot appear in a link.
    path = (services().settings.public_url or "") + quote(request.path)
    return f"{path}?{urlencode(query, safe=_SAFE)}" if query else path
