"""A page of a list."""

from collections.abc import Sequence
from typing import Generic

from pydantic import Field

from auth_service.api.models.base import Item, ResponseBody


class PageResponse(ResponseBody, Generic[Item]):
    """One page of a list. `count` is the number of items on all pages; `next` and `previous` are paths or null."""

    count: int = Field(examples=[57])
    next: str | None = Field(examples=["/auth/users/?page=3"])
    previous: str | None = Field(examples=["/auth/users/"])
    results: Sequence[Item]
