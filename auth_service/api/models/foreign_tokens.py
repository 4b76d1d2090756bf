"""Bodies of /internal/foreign-tokens: the gateway exchanges an access token of a Django project that moved in."""

from auth_service.api.models.base import RequestBody, ResponseBody, Token


class ForeignTokenRequest(RequestBody):
    """An access token of the project."""

    token: Token


class ForeignTokenResponse(ResponseBody):
    """An access token of this service for the same user, with the same expiry."""

    access: Token
