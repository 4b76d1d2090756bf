"""Fixtures of the tests of doctor."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.doctor.planted import PlantedDeployment, healthy_deployment


@pytest.fixture(scope="session")
def signing_pem() -> str:
    """A new signing key."""
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def planted(tmp_path: Path, signing_pem: str) -> PlantedDeployment:
    """A deployment in production without a fault, for the test to spoil."""
    return healthy_deployment(tmp_path, signing_pem)
