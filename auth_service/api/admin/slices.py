"""Parts of long lists that are not counted: the requested size, and the URL of the next part."""

from collections.abc import Iterable

from flask import request

from auth_service.api.pagination import requested_page_size, url_of_list

SLICE_SIZE = 50
"""Items of a part without `?page_size=`."""
MAX_SLICE_SIZE = 200
"""Items of a part at most."""


def requested_limit() -> int:
    """Return the number of items that the request asks for."""
    return requested_page_size(SLICE_SIZE, MAX_SLICE_SIZE)


def slice_url(parameter: str, value: str, filters: Iterable[str]) -> str:
    """Return the URL of the next part, which begins at `parameter`=`value` and has the same filters."""
    same = {name: request.args[name] for name in (*filters, "page_size") if request.args.get(name)}
    return url_of_list({**same, parameter: value})
