"""The service's configuration in tests, and assertions for it."""

import pytest

from sallyport_service import IdentityVerifier
from sallyport_service.testing import IdentityMinter, random_secret

SECRET = random_secret()
AUDIENCE = "reports"


@pytest.fixture
def minter() -> IdentityMinter:
    return IdentityMinter(SECRET, AUDIENCE)


@pytest.fixture
def verifier() -> IdentityVerifier:
    return IdentityVerifier(SECRET, AUDIENCE)


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the service."""
    monkeypatch.setenv("IDENTITY_SECRET", SECRET)
    monkeypatch.setenv("IDENTITY_AUDIENCE", AUDIENCE)
