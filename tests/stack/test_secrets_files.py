"""Keys and secrets are created once, strong and readable by their owner only."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stack.secrets_files import make_secrets
from stack.settings import SECRETS


def test_every_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    created = make_secrets(tmp_path, SECRETS)
    assert created == ("signing.pem", "refresh.secret", "peer.secret", "notes.secret")
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in created} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(created)


def test_the_signing_key_is_rsa_with_2048_bits(tmp_path: Path) -> None:
    make_secrets(tmp_path, SECRETS)
    key = load_pem_private_key((tmp_path / "signing.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 2048


def test_the_random_secrets_are_long_and_all_different(tmp_path: Path) -> None:
    make_secrets(tmp_path, SECRETS)
    texts = [(tmp_path / secret.file).read_text() for secret in SECRETS if secret.kind == "random"]
    assert len(set(texts)) == len(texts)
    assert min(len(text) for text in texts) >= 32


def test_existing_files_are_never_changed(tmp_path: Path) -> None:
    (tmp_path / "refresh.secret").write_text("mine")
    assert "refresh.secret" not in make_secrets(tmp_path, SECRETS)
    assert make_secrets(tmp_path, SECRETS) == ()
    assert (tmp_path / "refresh.secret").read_text() == "mine"


def test_a_secret_created_concurrently_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If two first starts run at the same time, the second uses the secret that the first created."""
    (tmp_path / "refresh.secret").write_text("mine")
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as if the file appeared after this check
    (refresh_secret,) = (secret for secret in SECRETS if secret.file == "refresh.secret")
    assert make_secrets(tmp_path, [refresh_secret]) == ()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
