"""Mint identity assertions in the tests of a service, as the gateway signs them.

secret = random_secret()
app = create_app(IdentityVerifier(secret, "reports"))
minter = IdentityMinter(secret, "reports")

client.get("/reports/", headers=minter.headers(roles=["staff"]))
"""

import os
import secrets
import time
from collections.abc import Callable, Collection, Mapping

import jwt

from sallyport_service.assertion import ISSUER, MAX_AGE, TYP, VERSION
from sallyport_service.verifier import IDENTITY_HEADER


def random_secret() -> str:
    """Return a new secret, as `openssl rand -hex 32` prints it."""
    return secrets.token_hex(32)


class IdentityMinter:
    """Signs assertions for the service `audience`, in place of the gateway. Use it in tests only.

    `secret` is the shared secret, or the PEM of an Ed25519 private key. Arguments that are left out are read from
    IDENTITY_SECRET and IDENTITY_AUDIENCE in `environ`. `clock` returns seconds since the epoch. Raises ValueError if
    the secret or the audience is missing.
    """

    def __init__(
        self,
        secret: str | None = None,
        audience: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        variables = os.environ if environ is None else environ
        self._secret = secret or variables.get("IDENTITY_SECRET", "")
        self._audience = audience or variables.get("IDENTITY_AUDIENCE", "")
        if not self._secret or not self._audience:
            raise ValueError("IdentityMinter needs the secret and the audience that the service is configured with")
        self._algorithm = "EdDSA" if self._secret.startswith("-----BEGIN ") else "HS256"
        self._clock = clock

    def assertion(
        self,
        subject: str = "test-user",
        *,
        session: str = "test-session",
        email: str = "test-user@example.org",
        roles: Collection[str] = (),
        claims: Mapping[str, object] | None = None,
        age: float = 0,
    ) -> str:
        """Return an assertion that the gateway would have signed `age` seconds ago; from 60 on it is rejected."""
        issued_at = int(self._clock() - age)
        members = {
            "ver": VERSION,
            "iss": ISSUER,
            "aud": self._audience,
            "iat": issued_at,
            "exp": issued_at + MAX_AGE,
            "sub": subject,
            "sid": session,
            "email": email,
            "roles": " ".join(roles),
            **({"claims": dict(claims)} if claims else {}),
        }
        return jwt.encode(members, self._secret, algorithm=self._algorithm, headers={"typ": TYP})

    def headers(
        self,
        subject: str = "test-user",
        *,
        session: str = "test-session",
        email: str = "test-user@example.org",
        roles: Collection[str] = (),
        claims: Mapping[str, object] | None = None,
        age: float = 0,
    ) -> dict[str, str]:
        """Return the header fields of a request of this caller."""
        assertion = self.assertion(subject, session=session, email=email, roles=roles, claims=claims, age=age)
        return {IDENTITY_HEADER: assertion}
