"""Authentication of requests to /auth/: Flask-JWT-Extended, with the token reader of this service.

Each request reads the user and the session from SQL, so that the token of an ended session is refused at once.
A view that is not an ApiView can use `@jwt_required()`, in a blueprint with install_error_handlers().
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask, Response, request
from flask_jwt_extended import JWTManager, decode_token, get_current_user, verify_jwt_in_request

from auth_service.accounts.user import User
from auth_service.api.client_of_request import client_of_request
from auth_service.api.errors import (
    ApiError,
    bad_access_token,
    bad_authorization_header,
    bad_token,
    no_credentials,
    refused_user,
)
from auth_service.services import services
from auth_service.sessions.refresh import NoActiveAccount
from auth_service.sessions.store import SessionWithUser
from auth_service.tokens.reader import INVALID, UnidentifiedUser
from chassis.request_context import note_client
from contract.claims import AccessClaims, InvalidToken
from contract.credentials import MalformedCredentials, NoCredentials, read_bearer
from contract.fetched_token import FETCHED_TOKEN_HEADER, is_fetched_token

_VERIFIED_CLAIMS = "verified_claims"


@dataclass(frozen=True, slots=True)
class Caller:
    """The user of a verified access token, and the id of its session."""

    user: User
    sid: str


def authenticate() -> None:
    """Verify the access token of the request and load the caller. Raises ApiError(401)."""
    token = _bearer_token()
    # The library compares the scheme case-sensitively and accepts comma-separated credentials. read_bearer, which the
    # gateway uses too, does neither. So the library is given a header with the token that read_bearer found.
    request.environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    if verify_jwt_in_request() is None:
        # The library does not verify OPTIONS requests. djoser does, and answers 401 without a token.
        _load_caller({}, decode_token(token))


def current_caller() -> Caller:
    """Return the caller of the current request. Call it after `authenticate`."""
    caller = get_current_user()
    if not isinstance(caller, Caller):
        raise TypeError(f"the caller is a {type(caller).__name__}")
    return caller


class AccessTokens(JWTManager):
    """The JWTManager of Flask-JWT-Extended with the token reader of this service.

    The library's other callbacks keep their defaults. They are never called, because the reader and the user lookup
    raise ApiError first.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.user_lookup_loader(_load_caller)
        # Called only by `@jwt_required()`, which reads the Authorization header itself.
        self.unauthorized_loader(_unauthorized_response)
        self.invalid_token_loader(_invalid_token_response)
        self.init_app(app)

    def _decode_jwt_from_config(
        self,
        encoded_token: str,
        csrf_value: object = None,
        allow_expired: bool = False,
    ) -> dict[str, Any]:
        # Overridden because the library calls its callbacks after its own parser. That parser accepts tokens without
        # exp, jti or type, uses one list of algorithms for all keys, and answers malformed tokens 422 or 500.
        # TokenReader and the gateway share one parser; only their leeway for `exp` differs.
        try:
            claims = _read_access(encoded_token)
        except NoActiveAccount as error:
            raise _no_active_account(error) from error
        except UnidentifiedUser as error:
            raise bad_token(error.reason) from error
        except InvalidToken as error:
            raise bad_access_token(error.reason) from error
        return {"type": "access", "sub": claims.subject, "jti": claims.jti, "fresh": False, _VERIFIED_CLAIMS: claims}


def _read_access(token: str) -> AccessClaims:
    if services().exchange.accepts(token):
        return services().exchange.access_claims(token, client_of_request())
    return services().reader.read_access(token)


def _no_active_account(error: NoActiveAccount) -> ApiError:
    if error.is_deleted:
        return refused_user("User not found", "user_not_found")
    return refused_user("User is inactive", "user_inactive")


def _bearer_token() -> str:
    try:
        return read_bearer(request.headers.get("Authorization"))
    except NoCredentials as error:
        raise no_credentials() from error
    except MalformedCredentials as error:
        raise bad_authorization_header() from error


def _load_caller(_: object, decoded: dict[str, Any]) -> Caller:
    # The session is checked here and not in token_in_blocklist_loader, which the library calls before the user
    # lookup: djoser answers `user_not_found` for a deleted user, although the session has ended as well.
    claims = decoded[_VERIFIED_CLAIMS]
    if not isinstance(claims, AccessClaims):
        raise TypeError(f"the token's claims are a {type(claims).__name__}")
    found = services().sessions.find_with_user(claims.session, _user_id(claims.subject))
    user, session = _active_user(found), found.session if found else None
    if session is None or session.state.revoked_at is not None:
        raise bad_access_token("Token is blacklisted")
    if session.state.seen_generation < claims.generation <= session.state.generation and not _is_fetched():
        services().sessions.raise_seen_generations([(claims.session, claims.generation)])
    note_client(claims.subject, session.sid)
    return Caller(user, session.sid)


def _is_fetched() -> bool:
    """Return whether the gateway fetched the token, which then does not prove that the client received it."""
    token = request.environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    mac, secrets = request.headers.get(FETCHED_TOKEN_HEADER, ""), services().peer_secrets
    if not mac:
        return False

    def is_known() -> bool:
        return any(is_fetched_token(token, mac, secret) for secret in secrets.current())

    used = secrets.current()
    return is_known() or (secrets.has_changed_since(used) and is_known())


def _active_user(found: SessionWithUser | None) -> User:
    if found is None:
        raise refused_user("User not found", "user_not_found")
    if not found.user.is_active:
        raise refused_user("User is inactive", "user_inactive")
    return found.user


def _user_id(subject: str) -> UUID:
    try:
        return UUID(subject)
    except ValueError as error:
        raise refused_user("User not found", "user_not_found") from error


def _unauthorized_response(_: str) -> Response:
    return no_credentials().to_response()


def _invalid_token_response(_: str) -> Response:
    return bad_access_token(INVALID).to_response()
