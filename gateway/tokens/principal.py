"""Owns the form of an answer to the question who asks."""

from typing import NamedTuple

from contract.claims import AccessClaims
from gateway.tokens.refresh import FreshTokens

Fields = tuple[tuple[bytes, bytes], ...]


class Principal(NamedTuple):
    """Whose request it is, by which access token; `fresh` where the gateway has refreshed on the way, `handle` where
    a session cookie was shown, by which the gateway gets the next token, `answer_fields` to go with any answer."""

    claims: AccessClaims
    token: str
    fresh: FreshTokens | None = None
    handle: str = ""
    answer_fields: Fields = ()

    @property
    def is_fetched(self) -> bool:
        """Whether the gateway fetched the token: the client has not presented it."""
        return self.fresh is not None or bool(self.handle)
