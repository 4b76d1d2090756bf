"""Create files with keys and secrets. Each is created once and atomically."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from stack.settings import Secret


def make_secrets(data_dir: Path, wanted: Iterable[Secret], *, mode: int = 0o600) -> tuple[str, ...]:
    """Create the missing files of the secrets `wanted`, and return their names. Existing files are never changed."""
    return tuple(secret.file for secret in wanted if write_once(data_dir / secret.file, _MAKERS[secret.kind], mode))


def write_once(path: Path, make: Callable[[], bytes], mode: int) -> bool:
    """Create the file with this mode and return True; return False if it exists.

    The file is written under another name and then linked. The link fails if `path` exists, so two processes that
    start at the same time never overwrite a key.
    """
    if path.exists():
        return False
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True


def _rsa_key() -> bytes:
    # Imported here, because only the first start makes a key.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def random_text() -> bytes:
    """Return 256 random bits in hexadecimal."""
    return secrets.token_hex(32).encode()


_MAKERS: Mapping[str, Callable[[], bytes]] = {"rsa": _rsa_key, "random": random_text}
