"""/auth/jwt/: log in, refresh, verify, log out."""

from typing import ClassVar

from flask import Blueprint, Response, request

from auth_service.api.client_of_request import client_of_request
from auth_service.api.errors import bad_credentials, invalid_fields
from auth_service.api.models.tokens import (
    EmptyResponse,
    LogInRequest,
    RefreshRequest,
    TokenPairResponse,
    VerifyRequest,
)
from auth_service.api.openapi.description import described
from auth_service.api.openapi.examples import (
    BUSY,
    CLAIMS_UNAVAILABLE,
    DEVICE_COOKIE_EXAMPLE,
    REFUSED_TOKEN,
    THROTTLED,
    USED_TOKEN,
)
from auth_service.api.request_body import read_body
from auth_service.api.response_body import json_response
from auth_service.api.view import ApiView
from auth_service.services import services
from auth_service.tokens.reader import RefreshClaims, UsedOrEndedToken
from auth_service.tokens.token_exchange import TokenExchange
from contract.claims import REFRESH
from contract.device_cookie import DEVICE_COOKIE, DEVICE_COOKIE_LIFETIME, device_token_in

token_endpoints = Blueprint("jwt", __name__, url_prefix="/jwt")


class TokenView(ApiView):
    """A view that needs no access token."""

    allow = "POST, OPTIONS"
    anonymous_methods: ClassVar[frozenset[str]] = frozenset(ApiView.methods)


class LogIn(TokenView):
    """The log-in."""

    name = "Token Obtain Pair"

    @described(
        body=LogInRequest,
        returns={200: TokenPairResponse},
        errors=[bad_credentials(), THROTTLED, BUSY, CLAIMS_UNAVAILABLE],
        headers={"Set-Cookie": DEVICE_COOKIE_EXAMPLE},
    )
    def post(self) -> Response:
        """Log in with e-mail and password. 401 if they are wrong, 429 after too many failures."""
        body, grants = read_body(LogInRequest), services().grants
        presented = device_token_in(request.headers.get("Cookie", ""))
        opened = grants.open_session(
            body.email, body.password, client_of_request(), grants.issuer.pair, device_token=presented
        )
        response = json_response(TokenPairResponse.model_validate(opened.signed))
        response.set_cookie(
            DEVICE_COOKIE,
            opened.device_token,
            max_age=DEVICE_COOKIE_LIFETIME,
            path=request.path,
            secure=True,
            httponly=True,
            samesite="Strict",
        )
        return response


class Refresh(TokenView):
    """The refresh of a token pair."""

    name = "Token Refresh"

    @described(body=RefreshRequest, returns={200: TokenPairResponse}, errors=[*REFUSED_TOKEN, CLAIMS_UNAVAILABLE])
    def post(self) -> Response:
        """Return a new pair for a refresh token. 401 if the token is refused; a replay also ends its session."""
        pair = services().grants.refresh(read_body(RefreshRequest).refresh, client_of_request())
        return json_response(TokenPairResponse.model_validate(pair))


class Verify(TokenView):
    """The verification of an access or refresh token."""

    name = "Token Verify"

    @described(body=VerifyRequest, returns={200: EmptyResponse}, errors=[*REFUSED_TOKEN, USED_TOKEN])
    def post(self) -> Response:
        """Verify a token. 401 if it is invalid.

        If the session has ended: 401 for an access token, 400 for a refresh token. 400 also for a used refresh token
        that is no longer valid.
        """
        token, exchange = read_body(VerifyRequest).token, services().exchange
        if exchange.accepts(token):
            return _verify_foreign(exchange, token)
        claims = services().reader.read(token)
        if isinstance(claims, RefreshClaims):
            if services().grants.is_used_or_ended(claims):
                raise invalid_fields({"non_field_errors": [UsedOrEndedToken().reason]})
        elif services().grants.has_ended(claims):
            raise UsedOrEndedToken
        return json_response(EmptyResponse())


def _verify_foreign(exchange: TokenExchange, token: str) -> Response:
    """Verify a token of a Django project that moved in."""
    foreign = exchange.reader.read(token)
    if exchange.is_used_or_ended(foreign):
        if foreign.token_type == REFRESH:
            raise invalid_fields({"non_field_errors": [UsedOrEndedToken().reason]})
        raise UsedOrEndedToken
    return json_response(EmptyResponse())


class Blacklist(TokenView):
    """The log-out with a refresh token."""

    name = "Token Blacklist"

    @described(body=RefreshRequest, returns={200: EmptyResponse}, errors=REFUSED_TOKEN)
    def post(self) -> Response:
        """End the session of a refresh token. 401 if the token is invalid or used, or its session has ended."""
        services().grants.revoke(read_body(RefreshRequest).refresh, client_of_request())
        return json_response(EmptyResponse())


token_endpoints.add_url_rule("/create/", view_func=LogIn.as_view("create"))
token_endpoints.add_url_rule("/refresh/", view_func=Refresh.as_view("refresh"))
token_endpoints.add_url_rule("/verify/", view_func=Verify.as_view("verify"))
token_endpoints.add_url_rule("/blacklist/", view_func=Blacklist.as_view("blacklist"))
