"""Verify tokens of djangorestframework-simplejwt, which a Django project has issued before it moved.

They are accepted until a given time. The error texts are those of simplejwt, because its clients know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auth_service.accounts.foreign_ids import read_uuid
from auth_service.sessions.foreign_tokens import ForeignToken
from auth_service.tokens.reader import INVALID, WRONG_TYPE, UnidentifiedUser
from chassis.clock import Clock
from contract.claims import ACCESS, LEEWAY, REFRESH, ExpiredToken, InvalidToken
from contract.foreign_tokens import FOREIGN_TYP
from contract.jws import parse_jws, read_claims

_MAX_JTI = 255


@dataclass(frozen=True, slots=True, repr=False)
class SimpleJwt:
    """The token settings of a Django project. Its tokens are accepted before `until` (seconds since the epoch).

    `source` is the name of the source from which its users were imported. An empty `issuer` or `audience` means that
    the tokens must not have the claim.
    """

    secret: bytes
    algorithm: str
    until: float
    source: str
    user_id_claim: str = "user_id"
    issuer: str = ""
    audience: str = ""


class SimpleJwtReader:
    """Verifies tokens of a Django project; accepts none if there is no `project`."""

    def __init__(self, project: SimpleJwt | None, clock: Clock) -> None:
        self._project = project
        self._clock = clock

    def accepts(self, token: str) -> bool:
        """Return whether the token's header is that of the project's tokens. Its signature is not verified."""
        if self._project is None:
            return False
        try:
            header = parse_jws(token).header
        except InvalidToken:
            return False
        return bool(header.type == FOREIGN_TYP and header.algorithm == self._project.algorithm)

    def read(self, token: str) -> ForeignToken:
        """Return the claims of a token that this reader accepts. Raises InvalidToken or a subclass."""
        project = self._project
        if project is None:
            raise InvalidToken(INVALID)
        try:
            claims = read_claims(parse_jws(token), typ=FOREIGN_TYP, algorithm=project.algorithm, key=project.secret)
        except InvalidToken as error:
            raise InvalidToken(INVALID) from error
        now = self._clock()
        if now >= project.until:
            raise ExpiredToken
        _check_party(claims, project)
        return ForeignToken(
            token_type=_token_type(claims),
            jti=_jti(claims),
            source=project.source,
            user_key=_user_key(claims, project.user_id_claim),
            issued_at=_issued_at(claims, now),
            expires_at=_expires_at(claims, now),
        )


def _check_party(claims: Mapping[str, Any], project: SimpleJwt) -> None:
    for name, expected in (("iss", project.issuer), ("aud", project.audience)):
        if claims.get(name, "") != expected:
            raise InvalidToken(INVALID)


def _token_type(claims: Mapping[str, Any]) -> str:
    token_type = claims.get("token_type")
    if token_type is None:
        raise InvalidToken("Token has no type")
    if token_type not in (ACCESS, REFRESH):
        raise InvalidToken(WRONG_TYPE)
    return str(token_type)


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti or not jti.isprintable() or len(jti) > _MAX_JTI:
        raise InvalidToken("Token has no id")
    return jti


def _user_key(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise UnidentifiedUser
    key = str(value)
    return str(read_uuid(key) or key)  # the form in which the import stores it


def _issued_at(claims: Mapping[str, Any], now: float) -> float:
    issued_at = _time(claims, "iat")
    if issued_at > now + LEEWAY:
        raise InvalidToken(INVALID)
    return issued_at


def _expires_at(claims: Mapping[str, Any], now: float) -> float:
    expires_at = _time(claims, "exp")
    if now >= expires_at:
        raise ExpiredToken
    return expires_at


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise InvalidToken(f"Token has no '{name}' claim")
    return float(value)
