"""Secrets without a file, as settings in environment variables give them."""

from auth_service.tokens.signing_keys import KeyRing
from chassis.secret_rotation.watched_secret import Secrets, WatchedSecret
from contract.keys import AssertionSigner
from contract.secret_list import identity_signer, split_secrets


def watched(secrets: str) -> Secrets:
    """Return shared secrets, one a line."""
    return WatchedSecret("SECRET", secrets, None, split_secrets)


def watched_signer(secret: str) -> WatchedSecret[AssertionSigner]:
    """Return the signer of an upstream."""
    return WatchedSecret("IDENTITY_SECRET", secret, None, identity_signer)


def watched_ring(ring: KeyRing) -> WatchedSecret[KeyRing]:
    """Return a key ring."""
    return WatchedSecret("SIGNING_KEY", "", None, lambda _: ring)
