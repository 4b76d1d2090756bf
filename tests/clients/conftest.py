"""A running stack with short-lived access tokens, and the Node packages of the clients."""

import shutil
import subprocess
from collections.abc import Iterator
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
    sources = [NUXT / "nuxt.config.ts", *(NUXT / "app").rglob("*.vue")]
    built = NUXT / ".output" / "nitro.json"
    if not built.exists() or built.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        _run(NUXT, "npx", "nuxi", "build")


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
