"""Body of the response to OPTIONS."""

from pydantic import Field

from auth_service.api.models.base import ResponseBody


class OptionsResponse(ResponseBody):
    """The name of a resource, and the media types of its responses and requests."""

    name: str = Field(examples=["User List"])
    renders: tuple[str, ...] = Field(default=("application/json",), examples=[["application/json"]])
    parses: tuple[str, ...] = Field(examples=[["application/json", "multipart/form-data"]])
