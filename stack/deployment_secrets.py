"""Create the secrets of a deployment: the files that docker-compose.yml mounts."""

from functools import partial
from pathlib import Path

from stack.secrets_files import make_secrets, random_text, write_once
from stack.settings import PREVIOUS_SIGNING_KEY_FILE, SECRETS

DATABASES = ("auth", "notes")
"""The databases of the PostgreSQL server in docker-compose.yml. Each belongs to a role of the same name."""

MODE = 0o644
"""Readable by all users, because containers run with other user ids and Compose does not change the mode."""


def make_deployment_secrets(folder: Path) -> tuple[str, ...]:
    """Create the files that are missing in `folder` and return their names. Existing files are never changed.

    The folder has mode 700, so that other users of this machine cannot read the files in it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = list(make_secrets(folder, SECRETS, mode=MODE))
    # Empty until the signing key is replaced. An empty file counts as unset.
    if write_once(folder / PREVIOUS_SIGNING_KEY_FILE, bytes, MODE):
        made.append(PREVIOUS_SIGNING_KEY_FILE)
    for name in ("postgres", *DATABASES):
        if write_once(folder / f"{name}.password", random_text, MODE):
            made.append(f"{name}.password")
    for name in DATABASES:
        if write_once(folder / f"{name}.database_url", partial(_database_url, folder, name), MODE):
            made.append(f"{name}.database_url")
    return tuple(made)


def _database_url(folder: Path, name: str) -> bytes:
    password = (folder / f"{name}.password").read_text().strip()
    return f"postgresql://{name}:{password}@postgres/{name}".encode()
