"""Owns who is calling a protected endpoint: Flask-JWT-Extended with our reader, and an answer of ours for every no.

As it comes, the library takes tokens without exp, jti or type, and answers 422 or 500 to malformed ones. Here every
token goes through TokenReader, every loader is replaced, and whatever is wrong with a token is a 401.

This service asks SQL about the user and the session each time: what has ended is refused at once.
"""

from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from flask import Flask, Response, g, request
from flask_jwt_extended import JWTManager, decode_token

from auth_service.api.errors import (
    bad_access_token,
    bad_authorization_header,
    bad_token,
    no_credentials,
    refused_user,
)
from auth_service.services import services
from auth_service.storage.models import User
from auth_service.tokens.reader import INVALID, UnidentifiedUser
from contract.claims import AccessClaims, InvalidToken
from contract.credentials import MalformedCredentials, NoCredentials, read_bearer
from contract.fetched import FETCHED_HEADER, is_fetched

_CLAIMS = "claims"


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a verified access token, and the session it belongs to."""

    user: User
    sid: str


def authenticate() -> Caller:
    """Who is calling. Raises AuthRefused 401."""
    # The library would read the header and the token's own header by itself, and let OPTIONS pass unseen.
    return _find_caller({}, decode_token(_bearer_token()))


def current_caller() -> Caller:
    """Who was found to be calling the endpoint under way."""
    caller = g.caller
    if not isinstance(caller, Caller):
        raise TypeError(f"the caller is a {type(caller).__name__}")
    return caller


class AccessTokens(JWTManager):
    """The library's manager, reading tokens as this service does."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.decode_key_loader(_no_single_key)
        self.encode_key_loader(_no_single_key)
        self.token_in_blocklist_loader(_is_left_to_the_lookup)
        self.token_verification_loader(_is_verified_already)
        self.user_lookup_loader(_find_caller)
        self.user_lookup_error_loader(_say_invalid)
        self.expired_token_loader(_say_expired)
        self.invalid_token_loader(_say_malformed)
        self.needs_fresh_token_loader(_say_invalid)
        self.revoked_token_loader(_say_invalid)
        self.token_verification_failed_loader(_say_invalid)
        self.unauthorized_loader(_say_unauthorized)
        self.init_app(app)

    def _decode_jwt_from_config(
        self,
        encoded_token: str,
        csrf_value: object = None,
        allow_expired: bool = False,
    ) -> dict[str, Any]:
        try:
            claims = services().reader.read_access(encoded_token)
        except UnidentifiedUser as error:
            raise bad_token(error.reason) from error
        except InvalidToken as error:
            raise bad_access_token(error.reason) from error
        return {"type": "access", "sub": claims.subject, "jti": claims.jti, "fresh": False, _CLAIMS: claims}


def _bearer_token() -> str:
    try:
        return read_bearer(request.headers.get("Authorization"))
    except NoCredentials as error:
        raise no_credentials() from error
    except MalformedCredentials as error:
        raise bad_authorization_header() from error


def _find_caller(_: object, decoded: dict[str, Any]) -> Caller:
    claims = decoded[_CLAIMS]
    if not isinstance(claims, AccessClaims):
        raise TypeError(f"the token's claims are a {type(claims).__name__}")
    user = _find_user(claims)
    session = services().sessions.find(claims.session)
    if session is None or session.user_id != user.id or session.state.revoked_at is not None:
        raise bad_access_token("Token is blacklisted")
    if session.state.seen_generation < claims.generation <= session.state.generation and not _is_fetched():
        services().sessions.raise_seen([(claims.session, claims.generation)])
    return Caller(user, session.sid)


def _is_fetched() -> bool:
    """Whether the gateway put the token into the request: then no client has shown that it has it."""
    token = request.environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    secret = services().settings.peer_secret.get_secret_value()
    return is_fetched(token, request.headers.get(FETCHED_HEADER, ""), secret)


def _find_user(claims: AccessClaims) -> User:
    user = services().accounts.find(_user_id(claims.subject))
    if user is None:
        raise refused_user("User not found", "user_not_found")
    if not user.is_active:
        raise refused_user("User is inactive", "user_inactive")
    return user


def _user_id(subject: str) -> UUID:
    try:
        return UUID(subject)
    except ValueError as error:
        raise refused_user("User not found", "user_not_found") from error


def _no_single_key(*_: object) -> NoReturn:
    # Which key verifies a token is the reader's to say; nobody else may ask.
    raise bad_access_token(INVALID)


def _is_left_to_the_lookup(*_: object) -> bool:
    # The user comes first: a deleted one is told so, although the session ended with it.
    return False


def _is_verified_already(*_: object) -> bool:
    return True


def _say_unauthorized(_: str) -> Response:
    return no_credentials().to_response()


def _say_malformed(_: str) -> Response:
    return bad_access_token(INVALID).to_response()


def _say_expired(*_: object) -> Response:
    return bad_access_token("Token is expired").to_response()


def _say_invalid(*_: object) -> Response:
    return bad_access_token(INVALID).to_response()
