"""The credentials of the generated requests. They are the same in every run, so a case can be replayed."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.gateway.access_tokens import SigningKey, access_claims

NOW = 1_800_000_000.0
"""The time of the gateway, in seconds since the epoch."""

KEY = SigningKey("k1", Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def _token(user: str, **changed: object) -> str:
    claims = access_claims(NOW, sub=user, user_id=user, sid=f"{user}-session", email=f"{user}@example.org")
    return KEY.sign(claims | {"jti": f"{user:0<32}", **changed})


ACCESS_TOKENS = (_token("ada"), _token("bob", roles="user"), _token("eve", roles=""))
EXPIRED_TOKENS = (_token("ada", exp=NOW - 100, jti="1" * 32), _token("bob", exp=NOW - 100, jti="2" * 32))
FORGED_TOKEN = ACCESS_TOKENS[0][:-4] + "AAAA"
LIVE_HANDLES = {"a" * 43: ACCESS_TOKENS[0], "b" * 43: ACCESS_TOKENS[1]}
"""The session handles of two users, and the access tokens of their sessions."""
ENDED_HANDLE = "e" * 43
REFRESH_TOKENS = ("refresh-ada", "refresh-bob")
