"""A running stack with short-lived access tokens, and the Node packages of the clients."""

import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.clients.backends import Backend, sallyport
from tests.clients.client_process import FOLDER

NUXT = FOLDER / "nuxt_auth"


@pytest.fixture(scope="session", autouse=True)
def node_packages() -> None:
    """Install the packages, and build the Nuxt app, if that was not done yet."""
    assert shutil.which("npm"), "Node 20 or newer, with npm, is not installed"
    for folder in (FOLDER, NUXT):
        if not (folder / "node_modules").exists():
            _run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    sources = [NUXT / "package-lock.json", NUXT / "nuxt.config.ts", *sorted((NUXT / "app").rglob("*.vue"))]
    digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    built_from = NUXT / ".output" / "sources.sha256"
    if not built_from.exists() or built_from.read_text() != digest:
        _run(NUXT, "npx", "nuxi", "build")
        built_from.write_text(digest)


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """A running stack."""
    with sallyport() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the browsers' storages and of the clients' logs."""
    return tmp_path


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
