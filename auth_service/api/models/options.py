"""Body of the answer to OPTIONS."""

from auth_service.api.models.base import ResponseBody


class OptionsResponse(ResponseBody):
    """A resource's name, and the media types that it writes and reads."""

    name: str
    renders: tuple[str, ...] = ("application/json",)
    parses: tuple[str, ...]
