"""The files of the signing key and of the one before it: replace the key, and empty the file of the previous one.

A file is replaced at once, so a process that starts meanwhile reads the old key or the new one. The previous key is
stored without its private part, so it verifies tokens and cannot sign any.
"""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from auth_service.tokens.signing_keys import (
    MIN_RSA_BITS,
    PrivateKey,
    SigningKey,
    VerificationKey,
    load_signing_key,
    load_verification_key,
)

SIGNING, PREVIOUS = "SIGNING_KEY", "PREVIOUS_SIGNING_KEY"
PREVIOUS_NAME = "previous_signing.pem"
"""The name of the previous key's file, beside that of the signing key, unless PREVIOUS_SIGNING_KEY_FILE names one."""


class KeyFilesError(Exception):
    """The keys are not in files, or a file cannot be written. The message says what to do."""


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The paths of the keys. `is_previous_set` is whether PREVIOUS_SIGNING_KEY_FILE names the second one."""

    signing_path: Path
    previous_path: Path
    is_previous_set: bool

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "KeyFiles":
        """Return the files that the settings name. Raises KeyFilesError if a key is in the environment itself."""
        for setting in (SIGNING, PREVIOUS):
            if environ.get(setting):
                raise KeyFilesError(
                    f"{setting} is in the environment and not in a file, so this command cannot change it: replace "
                    f"it where you set it, or put the key into a file and set {setting}_FILE"
                )
        path = environ.get(f"{SIGNING}_FILE")
        if not path:
            raise KeyFilesError(f"{SIGNING}_FILE is missing: it names the file of the key to replace")
        previous = environ.get(f"{PREVIOUS}_FILE")
        signing_path = Path(path)
        return cls(
            signing_path, Path(previous) if previous else signing_path.with_name(PREVIOUS_NAME), bool(previous)
        )

    def signing(self) -> SigningKey:
        """Return the key in the file. Raises UnusableKey."""
        return load_signing_key(_read(self.signing_path).strip())

    def previous(self) -> VerificationKey | None:
        """Return the previous key; None if there is none, or it is the signing key. Raises UnusableKey."""
        pem = _read(self.previous_path).strip() if self.previous_path.exists() else ""
        if not pem:
            return None
        key = load_verification_key(pem)
        return None if key.kid == self.signing().public.kid else key

    def rotate(self) -> SigningKey:
        """Replace the key by a new one of the same kind, and keep the public part of the old one as previous key.

        If the process dies between the two steps, both files have the old key, and the command can be repeated.
        Raises KeyFilesError.
        """
        old = self.signing()
        new_pem = _private_pem(_new_key_like(old.private_key))
        _replace(self.previous_path, _public_pem(old), like=self.signing_path)
        _replace(self.signing_path, new_pem, like=self.signing_path)
        return load_signing_key(new_pem.decode().strip())

    def retire(self) -> None:
        """Empty the file of the previous key. It stays, because a setting may name it. Raises KeyFilesError."""
        _replace(self.previous_path, b"", like=self.previous_path)


def _new_key_like(key: PrivateKey) -> PrivateKey:
    match key:
        case RSAPrivateKey():
            return generate_rsa_key(65537, max(key.key_size, MIN_RSA_BITS))
        case EllipticCurvePrivateKey():
            return generate_private_key(key.curve)
    return Ed25519PrivateKey.generate()


def _private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: SigningKey) -> bytes:
    return key.public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise KeyFilesError(f"{path} cannot be read: {error.strerror}") from error


def _replace(path: Path, content: bytes, *, like: Path) -> None:
    """Replace the file at once by one with the mode and the owner of `like`. Raises KeyFilesError."""
    temporary = ""
    try:
        state = like.stat()
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), state.st_mode & 0o777)
            if os.geteuid() == 0:  # nobody else may give files away
                os.fchown(file.fileno(), state.st_uid, state.st_gid)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
        raise KeyFilesError(f"{path} cannot be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
