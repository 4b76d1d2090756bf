"""Owns /auth/jwt/: log in, refresh, verify, log out."""

from typing import ClassVar

from flask import Blueprint, Response, jsonify

from auth_service.api.endpoint import Endpoint
from auth_service.api.errors import bad_credentials, bad_token, inactive_account_of_token, invalid_fields
from auth_service.api.fields import TextField, password_field, read_fields
from auth_service.api.request_body import read_members
from auth_service.audit.client import client_of_request
from auth_service.services import services
from auth_service.sessions.store import NoActiveAccount
from auth_service.storage.models import MAX_EMAIL
from auth_service.tokens.grants import BadCredentials, SpentToken
from auth_service.tokens.issuer import TokenPair
from auth_service.tokens.reader import RefreshClaims
from contract.claims import InvalidToken

_CREDENTIALS = {"email": TextField(MAX_EMAIL), "password": password_field()}
# Longer than any body may be: how long a token is allowed to be, its reader says.
_TOKEN = TextField(max_length=1_000_000)

token_endpoints = Blueprint("jwt", __name__, url_prefix="/jwt")


class TokenEndpoint(Endpoint):
    """What the four have in common: anybody may POST."""

    allow = "POST, OPTIONS"
    open_methods: ClassVar[frozenset[str]] = frozenset(Endpoint.methods)


class Create(TokenEndpoint):
    """A password for tokens."""

    name = "Token Obtain Pair"

    def post(self) -> Response:
        """200 refresh and access; 401 where the credentials are wrong."""
        given = read_fields(read_members(), _CREDENTIALS)
        try:
            pair = services().grants.log_in(given["email"], given["password"], client_of_request())
        except BadCredentials as error:
            raise bad_credentials() from error
        return _answer(pair)


class Refresh(TokenEndpoint):
    """A refresh token for its successor."""

    name = "Token Refresh"

    def post(self) -> Response:
        """200 access and refresh; 401 where the token is spent, expired or none of ours."""
        given = read_fields(read_members(), {"refresh": _TOKEN})
        try:
            return _answer(services().grants.refresh(given["refresh"]))
        except InvalidToken as error:
            raise bad_token(error.reason) from error
        except NoActiveAccount as error:
            if error.is_deleted:
                raise bad_token("No active account found for the given token.") from error
            raise inactive_account_of_token() from error


class Verify(TokenEndpoint):
    """Whether a token, access or refresh, is good."""

    name = "Token Verify"

    def post(self) -> Response:
        """200; 401 for a bad token and for an access token whose session has ended, 400 for a spent refresh token."""
        given = read_fields(read_members(), {"token": _TOKEN})
        try:
            claims = services().reader.read(given["token"])
            if isinstance(claims, RefreshClaims):
                is_spent = services().grants.is_spent(claims)
            elif services().grants.has_ended(claims):
                raise SpentToken
            else:
                is_spent = False
        except InvalidToken as error:
            raise bad_token(error.reason) from error
        if is_spent:
            raise invalid_fields({"non_field_errors": [SpentToken().reason]})
        return jsonify({})


class Revoke(TokenEndpoint):
    """Log out: the session of a refresh token ends."""

    name = "Token Blacklist"

    def post(self) -> Response:
        """200; 401 for a bad token, and the second time."""
        given = read_fields(read_members(), {"refresh": _TOKEN})
        try:
            services().grants.revoke(given["refresh"])
        except InvalidToken as error:
            raise bad_token(error.reason) from error
        return jsonify({})


def _answer(pair: TokenPair) -> Response:
    return jsonify(refresh=pair.refresh, access=pair.access)


for _path, _view in {"/create/": Create, "/refresh/": Refresh, "/verify/": Verify, "/blacklist/": Revoke}.items():
    token_endpoints.add_url_rule(_path, view_func=_view.as_view(_view.__name__.lower()))
