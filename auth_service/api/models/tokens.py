"""Bodies of /auth/jwt/: log in, refresh, verify, log out."""

from auth_service.api.models.base import LoginEmail, Password, RequestBody, ResponseBody, Token


class LogInRequest(RequestBody):
    """The credentials of a log-in."""

    email: LoginEmail
    password: Password


class RefreshRequest(RequestBody):
    """A refresh token, to refresh it or to end its session."""

    refresh: Token


class VerifyRequest(RequestBody):
    """An access or refresh token to verify."""

    token: Token


class TokenPairResponse(ResponseBody):
    """A refresh token and an access token of one session."""

    refresh: Token
    access: Token


class EmptyResponse(ResponseBody):
    """An empty JSON object."""
